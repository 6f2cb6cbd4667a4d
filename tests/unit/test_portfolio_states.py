"""Do proposals and platforms go the ways that were written down, and no others?"""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain import platforms, proposals
from hub.domain.platforms import Platform, PlatformAction, PlatformState
from hub.domain.proposals import Proposal, ProposalAction, ProposalKind, ProposalState
from hub.domain.texts import clean, clean_name

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NEW = Proposal(
    1, "mobility", ProposalKind.NEW_SENSOR, "T", "N", "traffic", "person:bo", NOW
)  # fmt: skip
FOUND = Platform("airview", "AirView", "environment")

# The ways, written down a second time.
PROPOSALS = {
    "submitted": {"assess": "assessed", "decline": "declined"},
    "assessed": {"assess": "assessed", "prioritise": "prioritised", "decline": "declined"},
    "prioritised": {"prioritise": "prioritised", "pilot": "piloted", "decline": "declined"},
    "piloted": {"adopt": "adopted", "decline": "declined"},
    "adopted": {},
    "declined": {},
}
CONCLUDED = {"keep": "keep", "connect": "connect", "consolidate": "consolidate", "retire": "retire"}
PLATFORMS = {
    "found": {"assess": "assessed"},
    "assessed": {"assess": "assessed"} | CONCLUDED,
    "keep": {"assess": "assessed"},
    "connect": {"assess": "assessed"},
    "consolidate": {"assess": "assessed"},
    "retire": {},
}
LEADS_TO = {"assess": "assessed", "prioritise": "prioritised", "pilot": "piloted",
            "adopt": "adopted", "decline": "declined"} | CONCLUDED  # fmt: skip


def proposal_said(action, number=0):
    priority = 1 + number if action == "prioritise" else None
    return proposals.Said(f"text {number}", priority, 7 if action == "adopt" else None)


def platform_said(action, number=0):
    return platforms.Said(
        f"text {number}",
        None if action == "assess" else 7,
        "other" if action == "consolidate" else None,
    )


def walked(start, to, ways, take, said):
    """Return the thing in a state, by the shortest way there."""
    reached = {start.state: start}
    while to not in reached:
        for state, thing in list(reached.items()):
            for action in ways[state]:
                moved = take(thing, type_of(take)(action), said(action))
                reached.setdefault(moved.state, moved)
    return reached[to]


def type_of(take):
    return ProposalAction if take is proposals.take else PlatformAction


EVERY = [
    *((NEW, PROPOSALS, proposals, proposal_said, *one)
      for one in product(ProposalState, ProposalAction)),
    *((FOUND, PLATFORMS, platforms, platform_said, *one)
      for one in product(PlatformState, PlatformAction)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "ways", "rules", "said", "state", "action"),
    [pytest.param(*one, id=f"{one[4]} {one[5]} {type(one[0]).__name__}") for one in EVERY],
)
def test_every_step_leads_where_it_should_or_nowhere(start, ways, rules, said, state, action):
    thing = walked(start, state, ways, rules.take, said)
    assert rules.faults_of(action, said(action)) == []
    to = ways[state].get(action)
    if to is not None:
        moved = rules.take(thing, action, said(action, 1))
        assert moved.state == to
        assert moved.id == thing.id
    elif LEADS_TO[action] == state:
        assert rules.take(thing, action, said(action)) is thing, "repeated, it changes nothing"
        with pytest.raises(rules.IllegalStep, match="in other words"):
            rules.take(thing, action, said(action, 1))
    else:
        with pytest.raises(rules.IllegalStep, match="cannot be"):
            rules.take(thing, action, said(action))


STEPS = st.lists(st.tuples(st.sampled_from(ProposalAction), st.integers(0, 2)), max_size=12)


@given(STEPS)
def test_a_proposal_that_ended_has_an_answer_and_stays_as_it_is(steps):
    thing, model = NEW, "submitted"
    for action, number in steps:
        before = thing
        try:
            thing = proposals.take(thing, action, proposal_said(action, number))
        except proposals.IllegalStep:
            assert action not in PROPOSALS[model]
        else:
            model = PROPOSALS[model].get(action, model)
        assert thing.state == model
        if before.state in ("adopted", "declined"):
            assert thing == before
            assert thing.answer
        assert thing.state != "adopted" or thing.decision == 7
        assert thing.priority is not None or thing.state not in (
            "prioritised",
            "piloted",
            "adopted",
        )


@given(st.lists(st.tuples(st.sampled_from(PlatformAction), st.integers(0, 2)), max_size=12))
def test_what_is_concluded_of_a_platform_was_decided(steps):
    thing, model = FOUND, "found"
    for action, number in steps:
        try:
            thing = platforms.take(thing, action, platform_said(action, number))
        except platforms.IllegalStep:
            assert action not in PLATFORMS[model]
        else:
            model = PLATFORMS[model].get(action, model)
        assert thing.state == model
        assert (thing.decision is not None) == (thing.state in CONCLUDED)
        assert (thing.into is not None) == (thing.state == "consolidate")


def test_what_is_missing_is_told():
    said = proposals.Said
    assert "everyone reads" in proposals.faults_of(ProposalAction.DECLINE, said())[0]
    assert len(proposals.faults_of(ProposalAction.ADOPT, said())) == 2
    assert "1 (first) to 5" in proposals.faults_of(ProposalAction.PRIORITISE, said("x"))[0]
    assert proposals.faults_of(ProposalAction.PRIORITISE, said(priority=6))
    assert proposals.faults_of(ProposalAction.PILOT, said(priority=1))
    assert proposals.faults_of(ProposalAction.PILOT, said()) == []
    assert "recorded" in platforms.faults_of(PlatformAction.KEEP, platforms.Said())[0]
    assert platforms.faults_of(PlatformAction.ASSESS, platforms.Said())
    assert platforms.faults_of(PlatformAction.RETIRE, platforms.Said("", 1, "other"))


NAMES = ["Åsa Öberg", "Ánde Sárá", "محمد عبدالله", "ראובן", "王小明", "ក្រុង", "ᐃᓄᒃᑎᑐᑦ", "नमस्ते क्‍ष",
         "Trịnh Công Sơn", "می‌خواهم", "👩‍💻", "O’Brien-Smith Jr."]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_stays_as_it_is(name):
    assert clean_name(f" {name} ") == name


def test_equal_names_compare_equal():
    assert clean_name("A\u030asa") == "Åsa"


@pytest.mark.parametrize("text", ["a\x00b", "\x1b[31m", "\ud800", "\u202egnp.exe", "a\x85"])
def test_what_nobody_sees_is_refused(text):
    with pytest.raises(ValueError, match=r"the character U\+"):
        clean(text)


@pytest.mark.parametrize("name", ["", "  ", "\u00a0", "two\nlines", "a\tb"])
def test_a_name_is_one_line_with_something_in_it(name):
    with pytest.raises(ValueError, match="one line"):
        clean_name(name)


@given(st.text())
def test_what_was_cleaned_stays_clean(text):
    try:
        once = clean(text)
    except ValueError:
        return
    assert clean(once) == once
