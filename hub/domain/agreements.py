"""What may happen to an agreement, by whom, and what must be there before it does?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from hub.domain.feeds import OPEN_AT_MOST
from hub.domain.identity import PUBLIC
from hub.domain.people import Role
from hub.domain.sharing import AgreementState, Feed, FeedState, Shape

DRAFT, REQUESTED, OFFERED, AGREED, ACTIVE, SUSPENDED = (
    AgreementState.DRAFT, AgreementState.REQUESTED, AgreementState.OFFERED, AgreementState.AGREED,
    AgreementState.ACTIVE, AgreementState.SUSPENDED,
)  # fmt: skip


class Side(StrEnum):
    PROVIDER = "provider"
    CONSUMER = "consumer"

    @property
    def other(self) -> "Side":
        return Side.CONSUMER if self is Side.PROVIDER else Side.PROVIDER


class Action(StrEnum):
    """What somebody does to an agreement. `expire` and `replace` are done by the hub itself."""

    REQUEST = "request"
    OFFER = "offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"
    REVOKE = "revoke"
    EXPIRE = "expire"
    REPLACE = "replace"  # by its next version


_PROVIDER, _CONSUMER = frozenset({Side.PROVIDER}), frozenset({Side.CONSUMER})
_EITHER = _PROVIDER | _CONSUMER
_NOBODY: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an action leads, and which sides may take it."""

    to: AgreementState
    sides: frozenset[Side]


# requested: the consumer's terms lie with the provider; offered: the provider's with the consumer.
TRANSITIONS: Mapping[tuple[AgreementState, Action], Transition] = {
    (DRAFT, Action.REQUEST): Transition(REQUESTED, _CONSUMER),
    (DRAFT, Action.OFFER): Transition(OFFERED, _PROVIDER),
    (DRAFT, Action.WITHDRAW): Transition(AgreementState.WITHDRAWN, _EITHER),
    (REQUESTED, Action.OFFER): Transition(OFFERED, _PROVIDER),
    (REQUESTED, Action.ACCEPT): Transition(AGREED, _PROVIDER),
    (REQUESTED, Action.DECLINE): Transition(AgreementState.DECLINED, _PROVIDER),
    (REQUESTED, Action.WITHDRAW): Transition(AgreementState.WITHDRAWN, _CONSUMER),
    (OFFERED, Action.REQUEST): Transition(REQUESTED, _CONSUMER),
    (OFFERED, Action.ACCEPT): Transition(AGREED, _CONSUMER),
    (OFFERED, Action.DECLINE): Transition(AgreementState.DECLINED, _CONSUMER),
    (OFFERED, Action.WITHDRAW): Transition(AgreementState.WITHDRAWN, _PROVIDER),
    (AGREED, Action.ACTIVATE): Transition(ACTIVE, _PROVIDER),
    (AGREED, Action.WITHDRAW): Transition(AgreementState.WITHDRAWN, _EITHER),
    (AGREED, Action.DECLINE): Transition(AgreementState.DECLINED, _EITHER),
    (ACTIVE, Action.SUSPEND): Transition(SUSPENDED, _PROVIDER),
    (ACTIVE, Action.TERMINATE): Transition(AgreementState.TERMINATED, _EITHER),
    (ACTIVE, Action.REVOKE): Transition(AgreementState.REVOKED, _PROVIDER),
    (ACTIVE, Action.EXPIRE): Transition(AgreementState.EXPIRED, _NOBODY),
    (ACTIVE, Action.REPLACE): Transition(AgreementState.SUPERSEDED, _NOBODY),
    (SUSPENDED, Action.RESUME): Transition(ACTIVE, _PROVIDER),
    (SUSPENDED, Action.TERMINATE): Transition(AgreementState.TERMINATED, _EITHER),
    (SUSPENDED, Action.REVOKE): Transition(AgreementState.REVOKED, _PROVIDER),
    (SUSPENDED, Action.EXPIRE): Transition(AgreementState.EXPIRED, _NOBODY),
    (SUSPENDED, Action.REPLACE): Transition(AgreementState.SUPERSEDED, _NOBODY),
}

NEGOTIABLE = frozenset({DRAFT, REQUESTED, OFFERED})  # terms may still change
ENDED = frozenset(AgreementState) - NEGOTIABLE - {AGREED, ACTIVE, SUSPENDED}

# Who may act for a side. A steward prepares; a data officer binds the organisation.
DRAFTING = frozenset({Role.STEWARD, Role.DATA_OFFICER})
BINDING = frozenset({Role.DATA_OFFICER})


class Illegal(Exception):  # noqa: N818  a condition, told to whoever tried
    """The agreement's state, or the actor's side, does not allow this; nothing was changed."""


def step(
    state: AgreementState, action: Action, side: Side, *, consumer: str = ""
) -> AgreementState:
    """Return the state that an action of one side leads to; raise Illegal saying what is allowed.

    Repeating the action that led here changes nothing. With everyone (`public`) as the consumer
    there is nobody on that side, so the provider may act for it.
    """
    found = TRANSITIONS.get((state, action))
    if found is None:
        if side in _who_may_lead(action, state):
            return state
        raise Illegal(f"an agreement that is {state} cannot be {_PAST[action]}{_instead(state)}")
    if side not in found.sides and not (consumer == PUBLIC and side is Side.PROVIDER):
        allowed = " or ".join(sorted(found.sides)) or "hub itself"
        raise Illegal(f"what is {state} may be {_PAST[action]} by the {allowed} only")
    return found.to


def _who_may_lead(action: Action, state: AgreementState) -> frozenset[Side]:
    sides = (t.sides for (_, taken), t in TRANSITIONS.items() if taken is action and t.to is state)
    return frozenset().union(*sides)


def _instead(state: AgreementState) -> str:
    possible = sorted(
        action
        for (at, action), transition in TRANSITIONS.items()
        if at is state and transition.sides
    )
    return f"; possible are {', '.join(possible)}" if possible else ": it has ended"


_PAST = {
    Action.REQUEST: "requested",
    Action.OFFER: "offered",
    Action.ACCEPT: "accepted",
    Action.DECLINE: "declined",
    Action.WITHDRAW: "withdrawn",
    Action.ACTIVATE: "activated",
    Action.SUSPEND: "suspended",
    Action.RESUME: "resumed",
    Action.TERMINATE: "terminated",
    Action.REVOKE: "revoked",
    Action.EXPIRE: "expired",
    Action.REPLACE: "replaced",
}


@dataclass(frozen=True, slots=True)
class Terms:
    """What two organisations agree on.

    `notice`: how long before its end either side must say that it terminates. `review_at`: when
    both look whether it is still needed. `onward_sharing`: may the consumer pass it on?
    `decision`: the reference under which the decision is filed. `cost_share`: in words, or the
    name of a cost pool.
    """

    purpose: str
    legal_basis: str
    shape: Shape
    valid_from: datetime | None = None  # None: from its activation
    valid_until: datetime | None = None
    review_at: datetime | None = None
    notice: timedelta = timedelta()
    onward_sharing: bool = False
    cost_share: str = ""
    decision: str = ""


@dataclass(frozen=True, slots=True)
class Dossier:
    """One version of an agreement with everything on file.

    Versions that replace one another share a `series`. `approvers` are the people who stand behind
    these very terms; a counter-proposal makes the other side's approval void.
    """

    id: int
    series: int | None
    version: int
    feed: str
    provider: str
    consumer: str
    state: AgreementState
    drafted_by: Side
    terms: Terms
    approvers: Mapping[Side, str | None]
    notice_given_at: datetime | None = None

    def side_of(self, organisation: str | None) -> Side | None:
        """Return on which side an organisation stands; None: it has no part in this."""
        if organisation == self.provider:
            return Side.PROVIDER
        return Side.CONSUMER if organisation == self.consumer else None

    def is_visible_to(self, organisation: str | None) -> bool:
        """Tell whether an organisation may know of it: a draft is its side's own affair."""
        side = self.side_of(organisation)
        return side is not None and (self.state is not DRAFT or side is self.drafted_by)


REMIND_BEFORE = timedelta(days=30)


class Reminder(NamedTuple):
    """An agreement that comes to its end, or to its review."""

    dossier: Dossier
    ends: bool
    review: bool


def missing(
    dossier: Dossier, feed: Feed, feed_properties: Iterable[str], now: datetime
) -> list[str]:
    """Return what is still missing before an agreement can be agreed, in sentences."""
    terms, faults = dossier.terms, []
    if feed.confidentiality is None:
        faults.append(f"the feed '{feed.id}' is not classified")
    elif dossier.consumer == PUBLIC and feed.confidentiality > OPEN_AT_MOST:
        faults.append(f"its confidentiality is {feed.confidentiality}, too high for everyone")
    if feed.state is FeedState.RETIRED:
        faults.append(f"the feed '{feed.id}' is retired")
    if not terms.purpose.strip():
        faults.append("there is no purpose")
    if not terms.legal_basis.strip():
        faults.append("there is no legal basis")
    beyond = sorted((terms.shape.properties or frozenset()) - frozenset(feed_properties))
    if beyond:
        faults.append(f"the feed has no {', '.join(beyond)}")
    if terms.shape.min_group is not None and terms.shape.finest_resolution is None:
        faults.append("means over groups need a finest resolution")
    if terms.shape.min_group is not None and terms.shape.area is not None:
        # Two consumers with two areas of one feed could subtract one group from the other.
        faults.append("groups are all devices of the feed: leave the area out")
    if terms.valid_until is not None and terms.valid_until <= max(now, terms.valid_from or now):
        faults.append("it would end before it begins")
    faults += [
        f"no data officer of the {side} stands behind it"
        for side in Side
        if dossier.approvers.get(side) is None and not is_nobody(dossier, side)
    ]
    return faults


def is_nobody(dossier: Dossier, side: Side) -> bool:
    """Tell whether there is nobody who could act on this side: everyone is the consumer."""
    return side is Side.CONSUMER and dossier.consumer == PUBLIC
