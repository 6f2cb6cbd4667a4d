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
    assert first_fault(links) == 3


def test_a_change_with_a_fitting_hash_shows_behind_it():
    links = chain(5)
    forged = link(3, replace(links[2].event, actor="person:eve"), links[2].previous)
    assert first_fault([*links[:2], forged, *links[3:]]) == 4


def test_a_gap_shows():
    links = chain(5)
    assert first_fault(links[:2] + links[3:]) == 3


def test_an_addition_in_between_shows():
    links = chain(5)
    extra = link(3, event(99), links[1].hash)
    assert first_fault([*links[:2], extra, *links[2:]]) == 4


def test_the_same_instant_in_another_zone_is_the_same():
    [one] = chain(1)
    moved = replace(one.event, at=one.event.at.astimezone(timezone(timedelta(hours=2))))
    assert link(1, moved, FIRST_HASH) == replace(one, event=moved)
