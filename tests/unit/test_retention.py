"""Is history kept as long as was said, made from what is there, and never told in part?"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.chunks import BYTES_A_READING, SHARE_OF_MEMORY, WIDTHS, chunk_width, should_change
from hub.domain.durations import Grid
from hub.domain.queries import RAW, ReadingQuery
from hub.domain.retention import (
    FOR_EVER,
    SHORTEST,
    Kept,
    check,
    forgotten_before,
    missing,
    source_of,
)
from hub.domain.sensing import Datastream
from hub.domain.sharing import Feed, FeedState, Grant, Shape
from hub.errors import BadRequest, OutsideGrant
from hub.sharing.shaping import shape_history, shorten

NOW = datetime(2026, 11, 23, 9, 7, 31, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
FEED = Feed("noise", "environment", "Noise", "", "CC0-1.0", FeedState.PUBLISHED)
STREAMS = [
    Datastream(1, "n-1", "N 1", "noise", "laeq", "dB", None, False),
    Datastream(2, "n-1", "N 1", "noise", "no2", "ug/m3", None, False),
]
ZONES = ["Europe/Stockholm", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]


def shaped(asked, **shape):
    return shape_history(Grant(FEED, Shape(**shape), 7, None), STREAMS, asked, NOW)


class TestSource:
    @pytest.mark.parametrize(
        ("width", "source"),
        [(timedelta(seconds=10), Kept.RAW), (timedelta(seconds=90), Kept.RAW),
         (15 * MINUTE, Kept.MINUTE), (90 * MINUTE, Kept.MINUTE), (2 * HOUR, Kept.HOUR),
         (36 * HOUR, Kept.HOUR), (7 * DAY, Kept.DAY), (None, Kept.RAW)],
    )  # fmt: skip
    def test_it_is_the_coarsest_that_answers_exactly(self, width, source):
        assert source_of(width) is source

    @pytest.mark.parametrize(
        ("zone", "source"),
        [("Europe/Stockholm", Kept.HOUR), ("Asia/Kathmandu", Kept.MINUTE), ("UTC", Kept.DAY)],
    )
    def test_local_days_are_made_of_what_their_midnights_fall_between(self, zone, source):
        grid = Grid(DAY, ZoneInfo(zone))
        assert source_of(DAY, list(grid.starts(grid.floor(NOW), NOW + 5 * DAY))) is source


class TestLocalDays:
    @pytest.mark.parametrize(("month", "day", "hours"), [(3, 29, 23), (10, 25, 25), (6, 1, 24)])
    def test_a_day_is_as_long_as_the_clock_says(self, month, day, hours):
        grid = Grid(DAY, STOCKHOLM)
        start = grid.floor(datetime(2026, month, day, 12, tzinfo=UTC))
        assert grid.after(start) - start == hours * HOUR
        assert start.astimezone(STOCKHOLM).hour == 0

    def test_weeks_begin_on_mondays(self):
        start = Grid(7 * DAY, STOCKHOLM).floor(NOW).astimezone(STOCKHOLM)
        assert (start.weekday(), start.hour) == (0, 0)

    @given(
        st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001
        st.sampled_from(ZONES),
        st.integers(1, 10),
    )
    def test_every_instant_lies_in_exactly_one_bucket(self, time, zone, days):
        at, grid = time.replace(tzinfo=UTC), Grid(days * DAY, ZoneInfo(zone))
        floor, ceil = grid.floor(at), grid.ceil(at)
        assert floor <= at <= ceil
        assert grid.floor(floor) == floor
        assert grid.floor(ceil) == ceil
        assert ceil in {floor, grid.after(floor)}
        assert list(grid.starts(floor, grid.after(grid.after(floor))))[1:] == [grid.after(floor)]


class TestShapeOfLocalDays:
    def test_a_range_is_widened_to_local_midnights(self):
        query = shaped(
            ReadingQuery(since=NOW - 3 * DAY, until=NOW, resolution=DAY, timezone=STOCKHOLM)
        )
        assert query.since == datetime(2026, 11, 19, 23, tzinfo=UTC)
        assert query.until == datetime(2026, 11, 23, 23, tzinfo=UTC)
        assert len(query.starts) == 4
        assert query.source is Kept.HOUR

    @pytest.mark.parametrize("resolution", [RAW, None, HOUR, 36 * HOUR])
    def test_a_zone_without_whole_days_makes_no_sense(self, resolution):
        with pytest.raises(BadRequest, match="P1D"):
            shaped(ReadingQuery(resolution=resolution, timezone=STOCKHOLM))

    def test_days_of_two_zones_must_not_tell_an_hour(self):
        asked = ReadingQuery(resolution=DAY, timezone=STOCKHOLM)
        with pytest.raises(OutsideGrant, match="Stockholm"):
            shaped(asked, finest_resolution=DAY)
        assert shaped(asked, finest_resolution=HOUR).source is Kept.HOUR
        with pytest.raises(OutsideGrant):
            shaped(
                ReadingQuery(resolution=DAY, timezone=ZoneInfo("Asia/Kathmandu")),
                finest_resolution=HOUR,
            )

    def test_a_day_that_still_fills_is_held_back(self):
        asked = ReadingQuery(since=NOW - 3 * DAY, resolution=DAY, timezone=STOCKHOLM)
        assert shaped(asked, finest_resolution=HOUR).until <= NOW
        assert shaped(asked, delay=2 * DAY).until <= NOW - 2 * DAY


class TestRules:
    def test_for_ever_is_fine(self):
        check(FOR_EVER)

    def test_what_is_coarser_is_kept_longer(self):
        check({Kept.RAW: DAY, Kept.MINUTE: 30 * DAY, Kept.HOUR: 30 * DAY, Kept.DAY: None})
        with pytest.raises(ValueError, match=r"minute \(P7D\).*raw \(P30D\)"):
            check({**FOR_EVER, Kept.RAW: 30 * DAY, Kept.MINUTE: 7 * DAY})
        with pytest.raises(ValueError, match="for ever"):
            check({**FOR_EVER, Kept.HOUR: 30 * DAY})

    @pytest.mark.parametrize("kept", Kept)
    def test_late_readings_need_time_to_come_in(self, kept):
        with pytest.raises(ValueError, match="at least"):
            check({**FOR_EVER, kept: SHORTEST[kept] - MINUTE})

    def test_an_end_is_a_full_hour_and_never_early(self):
        end = forgotten_before(30 * DAY, NOW)
        assert end <= NOW - 30 * DAY
        assert NOW - end < 30 * DAY + 2 * HOUR
        assert (end.minute, end.second) == (0, 0)


GONE = {("laeq", Kept.RAW): NOW - 30 * DAY, ("laeq", Kept.MINUTE): NOW - 60 * DAY}


class TestMissing:
    def test_nothing_is_missing_where_the_range_is_kept(self):
        assert missing(["laeq", "no2"], Kept.RAW, NOW - 29 * DAY, GONE) == []
        assert missing(["no2"], Kept.RAW, NOW - 90 * DAY, GONE) == []

    def test_it_says_what_reaches_further(self):
        [lost] = missing(["laeq", "no2"], Kept.RAW, NOW - 90 * DAY, GONE)
        assert lost == ("laeq", NOW - 30 * DAY, Kept.MINUTE)
        [lost] = missing(["laeq"], Kept.MINUTE, NOW - 90 * DAY, GONE)
        assert lost.ask is Kept.HOUR

    def test_where_nothing_reaches_further_it_says_so(self):
        gone = {("laeq", kept): NOW - 30 * DAY for kept in Kept}
        [lost] = missing(["laeq"], Kept.RAW, NOW - 90 * DAY, gone)
        assert lost.ask is None

    def test_buckets_kept_in_part_are_left_out_for_their_datastreams_only(self):
        streams = {stream.id: stream for stream in STREAMS}
        query = shaped(ReadingQuery(since=NOW - 90 * DAY, resolution=15 * MINUTE))
        short = shorten(query, streams, GONE)
        assert short.whole_since == {1: NOW - 60 * DAY, 2: query.since}
        assert shorten(query, streams, {}) == query


class TestChunks:
    def test_a_chunk_fits_into_its_share_of_memory(self):
        gibibyte = 2**30
        for rate in (1e3, 1e6, 1e8, 1e10):
            width = chunk_width(rate, 16 * gibibyte)
            fits = rate * (width / DAY) * BYTES_A_READING <= SHARE_OF_MEMORY * 16 * gibibyte
            assert fits or width == WIDTHS[0]
        assert chunk_width(1e3, gibibyte) == WIDTHS[-1]
        assert chunk_width(1e12, gibibyte) == WIDTHS[0]

    def test_a_little_more_or_less_changes_nothing(self):
        assert not should_change(DAY, DAY)
        assert not should_change(6 * HOUR, 12 * HOUR)
        assert should_change(DAY, 12 * HOUR)
        assert should_change(6 * HOUR, DAY)
