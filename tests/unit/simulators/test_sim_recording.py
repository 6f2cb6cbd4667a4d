"""Are recordings read as they are, and bad rows named?"""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from simulators.recording import Recorded, read_csv
from simulators.replay import ReplayReport, _messages, _to_now, replay

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def read(tmp_path):
    def read(text, timezone=CHICAGO):
        path = tmp_path / "speed.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_csv(path, timezone)

    return read


def rows(*lines):
    return "\n".join(("timestamp,value", *lines, ""))


def test_a_local_time_becomes_a_moment(read):
    assert read(rows("2015-09-01 13:45:00,3.06")) == [
        Recorded(datetime(2015, 9, 1, 18, 45, tzinfo=UTC), 3.06)
    ]


def test_a_time_with_offset_keeps_it(read):
    [record] = read(rows("2015-09-01T13:45:00+02:00,3"))
    assert record.time == datetime(2015, 9, 1, 11, 45, tzinfo=UTC)


def test_repeated_and_disordered_times_stay_as_they_are(read):
    minutes = [
        r.time.minute for r in read(rows(*(f"2015-09-01 13:{m}:00,1" for m in (45, 45, 40))))
    ]
    assert minutes == [45, 45, 40]


def test_a_time_that_autumn_repeats_is_the_first_of_the_two(read):
    [record] = read(rows("2015-11-01 01:30:00,1"))
    assert record.time == datetime(2015, 11, 1, 6, 30, tzinfo=UTC)


def test_a_time_that_spring_skips_lands_an_hour_later(read):
    [record] = read(rows("2015-03-08 02:30:00,1"))
    assert record.time == datetime(2015, 3, 8, 8, 30, tzinfo=UTC)  # 03:30 by the new clock


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_are_no_obstacle(read):
    assert len(read(b"\xef\xbb\xbftimestamp,value\r\n\r\n2015-09-01 13:45:00,3.06\r\n")) == 1


@pytest.mark.parametrize(
    "row",
    [
        "yesterday,1",
        "2015-09-01 13:50:00,fast",
        "2015-09-01 13:50:00,",
        "2015-09-01 13:50:00",
        "2015-09-01 13:50:00,3,06",
        "2015-09-01 13:50:00,nan",
        "2015-09-01 13:50:00,1e999",
        "9999-12-31 23:59:59,1",
    ],
)
def test_a_bad_row_is_named_by_file_and_line(read, row):
    with pytest.raises(ValueError, match=r"speed\.csv, line 3: "):
        read(rows("2015-09-01 13:45:00,3.06", row))


@pytest.mark.parametrize("text", ["", "time,value\n", "2015-09-01 13:45:00,3.06\n"])
def test_a_file_without_the_header_is_refused(read, text):
    with pytest.raises(ValueError, match=r"speed\.csv, line 1: the header must be timestamp,value"):
        read(text)


def test_a_file_that_is_not_utf_8_is_refused_by_name(read):
    with pytest.raises(ValueError, match=r"speed\.csv, after line"):
        read(b"timestamp,value\n2015-09-01 13:45:00,\xff\n")


def recorded(*minutes):
    return [Recorded(NOON + timedelta(minutes=m), float(m)) for m in minutes]


def test_a_single_reading_is_an_object_and_several_are_a_list():
    one, *_ = _messages(recorded(0), "speed", timedelta(), None, 2)
    assert json.loads(one.payload) == {"time": "2026-11-20T12:00:00Z", "values": {"speed": 0.0}}
    many = list(_messages(recorded(0, 1, 2), "speed", timedelta(), None, 2))
    assert [m.readings for m in many] == [2, 1]
    assert [said["values"]["speed"] for said in json.loads(many[0].payload)] == [0.0, 1.0]


def test_speed_sets_when_a_message_is_due():
    due = [m.due_s for m in _messages(recorded(0, 1, 3), "speed", timedelta(), 60, 1)]
    assert due == [0.0, 1.0, 3.0]


def test_a_message_of_several_is_due_when_its_last_was_recorded():
    due = [m.due_s for m in _messages(recorded(0, 1, 2, 3), "speed", timedelta(), 60, 2)]
    assert due == [1.0, 3.0]


def test_a_row_out_of_order_is_due_at_once():
    due = [m.due_s for m in _messages(recorded(5, 0), "speed", timedelta(), 60, 1)]
    assert due == [0.0, 0.0]


def test_shifting_moves_the_last_reading_to_now():
    shift = _to_now(recorded(0, 30, 10))
    assert abs(NOON + timedelta(minutes=30) + shift - datetime.now(UTC)) < timedelta(seconds=10)


ELSEWHERE = {"device": "d", "property_id": "p", "host": "localhost", "port": 1}
ELSEWHERE |= {"username": "d", "password": "p"}


async def test_nothing_recorded_is_nothing_to_publish():
    assert await replay([], **ELSEWHERE) == ReplayReport(0, 0, 0.0)


@pytest.mark.parametrize("wrong", [{"window": 0}, {"per_message": 0}, {"speed": 0.0}])
async def test_a_window_size_or_speed_of_nothing_is_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        await replay(recorded(0), **ELSEWHERE, **wrong)
