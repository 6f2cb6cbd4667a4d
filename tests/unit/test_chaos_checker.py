"""Does the checker of the fault suite find what it is there to find? Each kind of harm, planted."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from bench.chaos.checker import History, Stored, Window, check, window

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def told(number, *, acknowledged=True, receipted=False, timed=True):
    """Return what a writer says of one reading."""
    value = float(number)
    time = (NOON + number * SECOND).isoformat() if timed else None
    yield {"event": "make", "device": "d", "value": value, "time": time}
    if acknowledged:
        yield {"event": "acknowledged", "values": [value], "at": 1000.0 + number}
    if receipted:
        yield {"event": "receipt", "values": [value]}


def history_of(*stories):
    return History.read(json.dumps(event) for story in stories for event in story)


def row(number, *, value=None, late=0, device="d"):
    at = NOON + (number + late) * SECOND
    return Stored(device, at, float(number if value is None else value))


@pytest.fixture
def three():
    return history_of(told(1), told(2), told(3))


def test_a_store_that_holds_what_was_promised_is_clean(three):
    verdict = check(three, [row(1), row(2), row(3)])
    assert verdict.is_clean
    assert (verdict.made, verdict.acknowledged, verdict.stored) == (3, 3, 3)


def test_it_finds_what_was_lost(three):
    assert check(three, [row(1), row(3)]).lost == [2.0]


def test_what_was_kept_as_a_rejection_is_not_lost(three):
    assert check(three, [row(1), row(3)], rejected=frozenset({2.0})).is_clean


def test_what_nobody_promised_may_be_missing():
    assert check(history_of(told(1), told(2, acknowledged=False)), [row(1)]).is_clean


def test_a_receipt_is_a_promise_of_its_own():
    history = history_of(told(1, receipted=True), told(2))
    assert check(history, [row(1)], by_receipt=True).is_clean
    assert check(history, [row(2)], by_receipt=True).lost == [1.0]


def test_it_finds_what_was_stored_twice(three):
    verdict = check(three, [row(1), row(2), row(3), row(2, late=5)])
    assert verdict.duplicated == [2.0]


def test_a_reading_without_a_time_may_be_stored_once_at_any_time():
    history = history_of(told(1, timed=False))
    assert check(history, [row(1, late=60)]).is_clean
    assert check(history, [row(1), row(1, late=60)]).duplicated == [1.0]


def test_it_finds_a_changed_time(three):
    assert check(three, [row(1), row(2, late=0.5), row(3)]).altered == [2.0]


def test_it_finds_a_changed_value(three):
    verdict = check(three, [row(1), row(2, value=22), row(3)])
    assert verdict.altered == [22.0]
    assert verdict.lost == [2.0]


def test_it_finds_what_nobody_made(three):
    assert check(three, [row(1), row(2), row(3), row(4)]).phantom == [4.0]


def test_another_device_s_reading_is_nobody_s(three):
    verdict = check(three, [row(1), row(2), row(3, device="e")])
    assert (verdict.lost, verdict.phantom) == ([3.0], [3.0])


def test_a_history_whose_last_line_was_cut_off_is_read():
    lines = [json.dumps(event) for event in told(1)]
    assert History.read([*lines, '{"event": "ma']).acknowledged == {1.0: 1001.0}


def test_windows_reach_from_a_kill_to_the_farthest_loss_before_and_after_it(three):
    assert window(three, [1.0, 2.0, 3.0], [1002.5]) == Window(1.5, 0.5)
    assert window(three, [], [1002.5]) == Window(0.0, 0.0)
