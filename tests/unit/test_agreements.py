"""Does an agreement go its way, and no other?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import (
    ENDED,
    TRANSITIONS,
    Action,
    Dossier,
    Illegal,
    Side,
    Terms,
    missing,
    step,
)
from hub.domain.sharing import AgreementState, Feed, FeedState, Shape

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
FEED = Feed("noise", "environment", "Noise", "", "", FeedState.PUBLISHED, confidentiality=1)
TERMS = Terms("Speed limits", "Municipal task", Shape(frozenset({"laeq"})))
AGREED = Dossier(
    1, 1, 1, "noise", "environment", "traffic", AgreementState.REQUESTED, Side.CONSUMER, TERMS,
    {Side.PROVIDER: "person:anna", Side.CONSUMER: "person:bo"},
)  # fmt: skip


def faults(dossier=AGREED, feed=FEED, properties=("laeq", "no2")):
    return missing(dossier, feed, properties, NOW)


@given(st.sampled_from(AgreementState), st.sampled_from(Action), st.sampled_from(Side))
def test_a_step_leads_where_the_table_says_or_nowhere(state, action, side):
    found = TRANSITIONS.get((state, action))
    if found is not None and side in found.sides:
        assert step(state, action, side) is found.to
        return
    led_here = any(
        taken is action and transition.to is state and side in transition.sides
        for (_, taken), transition in TRANSITIONS.items()
    )
    if found is None and led_here:
        assert step(state, action, side) is state  # done already
        return
    with pytest.raises(Illegal, match=state):
        step(state, action, side)


@pytest.mark.parametrize("state", ENDED)
def test_what_has_ended_stays_ended(state):
    assert not any(at is state for at, _ in TRANSITIONS)


def test_anything_before_active_may_be_withdrawn_or_declined():
    for state in (AgreementState.REQUESTED, AgreementState.OFFERED, AgreementState.AGREED):
        possible = {action for at, action in TRANSITIONS if at is state}
        assert {Action.WITHDRAW, Action.DECLINE} <= possible
    assert (AgreementState.DRAFT, Action.WITHDRAW) in TRANSITIONS


def test_nobody_accepts_their_own_proposal():
    for state, proposer in (
        (AgreementState.REQUESTED, Side.CONSUMER),
        (AgreementState.OFFERED, Side.PROVIDER),
    ):
        with pytest.raises(Illegal, match=f"by the {proposer.other} only"):
            step(state, Action.ACCEPT, proposer)


def test_with_everyone_the_provider_acts_for_both():
    offered = step(AgreementState.DRAFT, Action.OFFER, Side.PROVIDER, consumer="public")
    assert step(offered, Action.ACCEPT, Side.PROVIDER, consumer="public") is AgreementState.AGREED


def test_what_is_complete_can_be_agreed():
    assert faults() == []


@pytest.mark.parametrize(
    ("dossier", "feed", "told"),
    [
        (AGREED, replace(FEED, confidentiality=None), "not classified"),
        (
            replace(AGREED, consumer="public"),
            replace(FEED, confidentiality=2),
            "too high for everyone",
        ),
        (AGREED, replace(FEED, state=FeedState.RETIRED), "retired"),
        (replace(AGREED, terms=replace(TERMS, purpose=" ")), FEED, "no purpose"),
        (replace(AGREED, terms=replace(TERMS, legal_basis="")), FEED, "no legal basis"),
        (
            replace(AGREED, terms=replace(TERMS, shape=Shape(frozenset({"laeq", "gold"})))),
            FEED,
            "the feed has no gold",
        ),
        (
            replace(AGREED, terms=replace(TERMS, valid_until=NOW - timedelta(days=1))),
            FEED,
            "end before it begins",
        ),
        (
            replace(AGREED, terms=replace(TERMS, shape=Shape(min_group=5))),
            FEED,
            "need a finest resolution",
        ),
        (replace(AGREED, approvers={Side.CONSUMER: "person:bo"}), FEED, "of the provider"),
        (replace(AGREED, approvers={Side.PROVIDER: "person:anna"}), FEED, "of the consumer"),
    ],
)
def test_what_is_missing_is_said(dossier, feed, told):
    [fault] = faults(dossier, feed)
    assert told in fault


def test_everyone_has_no_data_officer():
    open_to_all = replace(AGREED, consumer="public", approvers={Side.PROVIDER: "person:anna"})
    assert faults(open_to_all) == []
