"""Does the chain show every change, every gap and every addition in between?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.audit import FIRST_HASH, Event, first_fault, link

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def event(number):
    concerned = frozenset({"environment", "traffic"})
    return Event(
        "person:anna", "environment", "agreement.accept", f"agreement/{number}", concerned, NOW,
        "because", "2026-17", "{}",
    )  # fmt: skip


def chain(length):
    links, previous = [], FIRST_HASH
    for position in range(1, length + 1):
        links.append(link(position, event(position), previous))
        previous = links[-1].hash
    return links


@given(st.integers(0, 20))
def test_an_untouched_chain_holds(length):
    assert first_fault(chain(length)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"actor": "person:eve"},
        {"organisation": None},
        {"action": "agreement.revoke"},
        {"subject": "agreement/9"},
        {"organisations": frozenset()},
        {"at": NOW + timedelta(microseconds=1)},
        {"reason": ""},
        {"decision": "2026-18"},
        {"detail": "{ }"},
    ],
)
def test_every_change_shows_where_it_is(changes):
    links = chain(5)
    links[2] = replace(links[2], event=replace(links[2].event, **changes))
    assert first_fault(links) == (3, "event 3 was altered")


def test_a_change_with_a_fitting_hash_shows_by_the_one_behind_it():
    links = chain(5)
    forged = link(3, replace(links[2].event, actor="person:eve"), links[2].previous)
    fault = first_fault([*links[:2], forged, *links[3:]])
    assert fault == (3, "event 3 is not the one that event 4 follows: it was exchanged")


def test_a_gap_shows():
    links = chain(5)
    assert first_fault(links[:2] + links[3:]) == (3, "event 3 was removed")


def test_a_gap_that_was_numbered_away_shows():
    links = chain(5)
    moved = [replace(one, position=one.position - 1) for one in links[3:]]
    fault = first_fault(links[:2] + moved)
    assert fault == (3, "event 3 stands where another was: that was removed, or moved")


def test_an_addition_in_between_shows():
    links = chain(5)
    extra = link(3, event(99), links[1].hash)
    moved = [replace(one, position=one.position + 1) for one in links[2:]]
    fault = first_fault([*links[:2], extra, *moved])
    assert fault == (3, "event 3 was put in, and later ones renumbered")


@pytest.mark.parametrize("position", [0, -7])
def test_an_addition_before_the_first_shows(position):
    extra = link(position, event(99), FIRST_HASH)
    assert first_fault([extra, *chain(2)]) == (position, f"event {position} was put in")


def test_two_that_changed_places_show():
    links = chain(5)
    links[2], links[3] = replace(links[3], position=3), replace(links[2], position=4)
    assert first_fault(links).position == 3


def test_what_no_event_ever_held_shows():
    links = chain(3)
    links[1] = replace(
        links[1], event=replace(links[1].event, organisations=frozenset({None, "x"}))
    )
    assert first_fault(links) == (2, "event 2 was altered")


@given(st.integers(2, 12), st.integers(0, 11))
def test_a_chain_holds_from_any_link_on(length, at):
    links = chain(length)
    at %= length
    assert first_fault(links[at + 1 :], links[at]) is None
    wrong = replace(links[at], hash=bytes(32))
    assert length == at + 1 or first_fault(links[at + 1 :], wrong) is not None


def test_the_same_instant_in_another_zone_is_the_same():
    [one] = chain(1)
    moved = replace(one.event, at=one.event.at.astimezone(timezone(timedelta(hours=2))))
    assert link(1, moved, FIRST_HASH) == replace(one, event=moved)
