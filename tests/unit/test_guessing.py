"""When is a wrong password one too many?"""

import pytest

from hub.domain.topics import device_may, hub_may
from hub.fleet import guessing
from hub.fleet.guessing import WINDOW_S, Guesses


def test_the_last_of_too_many_failures_tells_and_then_it_begins_anew():
    guesses = Guesses(3)
    assert [guesses.failed("d", second) for second in range(6)] == [False, False, True] * 2


def test_a_success_in_between_forgives():
    guesses = Guesses(2)
    assert not guesses.failed("d", 0)
    guesses.succeeded("d")
    assert not guesses.failed("d", 1)


def test_devices_are_counted_by_themselves_and_an_hour_at_a_time():
    guesses = Guesses(2)
    assert not guesses.failed("d", 0)
    assert not guesses.failed("e", 0)
    assert not guesses.failed("d", WINDOW_S + 1)


def test_never_is_never():
    guesses = Guesses(None)
    assert not any(guesses.failed("d", 0) for _ in range(10_000))


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(guessing, "REMEMBERED", 10)
    guesses = Guesses(1_000)
    for number in range(100):
        guesses.failed(f"d-{number}", 0)
    assert len(guesses._counts) == 10


@pytest.mark.parametrize(
    ("action", "topic", "may"),
    [
        ("publish", "v1/devices/d-1/readings", True),
        ("publish", "v1/devices/d-2/readings", False),
        ("publish", "v1/devices/d-1/receipts", False),
        ("publish", "v1/devices/+/readings", False),
        ("publish", "v1/devices/d-1/readings/", False),
        ("publish", "/v1/devices/d-1/readings", False),
        ("publish", "$SYS/broker", False),
        ("subscribe", "v1/devices/d-1/receipts", True),
        ("subscribe", "v1/devices/d-2/receipts", False),
        ("subscribe", "v1/devices/d-1/readings", False),
        ("subscribe", "v1/devices/+/receipts", False),
        ("subscribe", "$share/g/v1/devices/d-1/receipts", False),
        ("subscribe", "#", False),
        ("anything", "v1/devices/d-1/readings", False),
    ],
)
def test_a_device_has_its_own_two_topics(action, topic, may):
    assert device_may("d-1", action, topic) is may


def test_a_device_leaves_nothing_behind_at_the_broker():
    assert not device_may("d-1", "publish", "v1/devices/d-1/readings", retain=True)


@pytest.mark.parametrize(
    ("action", "topic", "may"),
    [
        ("subscribe", "v1/devices/+/readings", True),
        ("subscribe", "$share/stadsnav/v1/devices/+/readings", True),
        ("subscribe", "#", False),
        ("subscribe", "$share/stadsnav/#", False),
        ("publish", "v1/devices/d-1/receipts", True),
        ("publish", "v1/feeds/noise/readings", True),
        ("publish", "v1/devices/d-1/readings", False),
        ("publish", "v1/devices/+/receipts", False),
        ("publish", "v2/devices/d-1/receipts", False),
    ],
)
def test_the_hub_has_what_it_needs_and_no_more(action, topic, may):
    assert hub_may(action, topic) is may
