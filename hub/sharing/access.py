"""Who may read this feed now, in which shape, and if not, why not?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.identity import PUBLIC
from hub.domain.sharing import (
    EVERYTHING,
    Agreement,
    AgreementState,
    Feed,
    Grant,
    Principal,
    Scope,
)


class Why(StrEnum):
    """Why there is no grant."""

    NO_SCOPE = "the key lacks the scope feeds:read"
    NOT_SERVED = "the feed is not published"
    NO_AGREEMENT = "no agreement with this organisation"
    NOT_ACTIVE = "the agreement is not active"
    NOT_YET = "the agreement is not valid yet"
    ENDED = "the agreement has ended"


@dataclass(frozen=True, slots=True)
class Denial:
    """No right. To whom it is told is another matter: strangers hear that there is no such feed."""

    why: Why


@dataclass(frozen=True, slots=True)
class Considered:
    """An agreement that was looked at; `fails` says why it gives no right, None if it does."""

    agreement: Agreement
    fails: Why | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out, and every agreement on the way to it, in the order they count."""

    outcome: Grant | Denial
    considered: tuple[Considered, ...] = ()


def decide(
    principal: Principal, feed: Feed, agreements: Iterable[Agreement], now: datetime
) -> Grant | Denial:
    """Derive the grant of one principal to one feed at one instant.

    The owner sees everything. Anyone else needs an agreement in force: its own, or else the one
    with `public`, which stands for everyone. The own one counts even where the public one would
    let more through, so that what an organisation sees is what it agreed to.
    """
    return explain(principal, feed, agreements, now).outcome


def explain(
    principal: Principal, feed: Feed, agreements: Iterable[Agreement], now: datetime
) -> Decision:
    """Return the decision with what led to it; see `decide`."""
    if not principal.is_anonymous and Scope.READ not in principal.scopes:
        return Decision(Denial(Why.NO_SCOPE))
    if principal.organisation == feed.organisation:
        return Decision(Grant(feed, EVERYTHING, agreement=None, ends_at=None))
    if not feed.state.is_served:
        return Decision(Denial(Why.NOT_SERVED))
    about = [a for a in agreements if a.feed == feed.id]
    considered: list[Considered] = []
    outcome: Grant | Denial = Denial(Why.NO_AGREEMENT)
    for consumer in dict.fromkeys((principal.organisation, PUBLIC)):
        for agreement in about:
            if agreement.consumer != consumer:
                continue
            fails = _failing(agreement, now)
            considered.append(Considered(agreement, fails))
            if isinstance(outcome, Grant):
                continue  # a former one counts
            if fails is None:
                outcome = Grant(feed, agreement.shape, agreement.id, agreement.valid_until)
            else:
                outcome = Denial(fails)
    return Decision(outcome, tuple(considered))


def _failing(agreement: Agreement, now: datetime) -> Why | None:
    """Return why an agreement gives no right now; None if it does."""
    if agreement.is_in_force(now):
        return None
    if agreement.state is not AgreementState.ACTIVE:
        return Why.NOT_ACTIVE
    return Why.NOT_YET if now < agreement.valid_from else Why.ENDED
