"""What is on file about a feed, and what may happen to it?"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.sharing import Feed, FeedState

HIGHEST = 4  # of KLASSA: such information does not belong in a hub that shares
OPEN_AT_MOST = 1  # confidentiality of what everyone may read
WARNING = timedelta(days=30)  # what consumers have at least, from the warning to the end

DRAFT, CLASSIFIED, PUBLISHED, DEPRECATED, RETIRED = FeedState


class FeedAction(StrEnum):
    CLASSIFY = "classify"
    PUBLISH = "publish"
    DEPRECATE = "deprecate"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Classification:
    """KLASSA: how much harm it does if this is disclosed, altered or missing; 0 none, 3 serious."""

    confidentiality: int
    integrity: int
    availability: int
    decided_by: str
    decided_at: datetime
    decision: str = ""
    review_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """The management card: who answers for a feed, who runs it, and who pays."""

    information_owner: str = ""
    operator: str = ""
    support: str = ""
    service_level: str = ""
    budget_line: str = ""
    contacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A feed with everything on file."""

    feed: Feed
    card: Card = Card()
    classification: Classification | None = None


TRANSITIONS: Mapping[tuple[FeedState, FeedAction], FeedState] = {
    (DRAFT, FeedAction.CLASSIFY): CLASSIFIED,
    (CLASSIFIED, FeedAction.CLASSIFY): CLASSIFIED,
    (PUBLISHED, FeedAction.CLASSIFY): PUBLISHED,
    (DEPRECATED, FeedAction.CLASSIFY): DEPRECATED,
    (CLASSIFIED, FeedAction.PUBLISH): PUBLISHED,
    (DEPRECATED, FeedAction.PUBLISH): PUBLISHED,
    (PUBLISHED, FeedAction.DEPRECATE): DEPRECATED,
    (DEPRECATED, FeedAction.DEPRECATE): DEPRECATED,
    (DRAFT, FeedAction.RETIRE): RETIRED,
    (CLASSIFIED, FeedAction.RETIRE): RETIRED,
    (DEPRECATED, FeedAction.RETIRE): RETIRED,
}


class IllegalStep(Exception):  # noqa: N818  a condition, told to whoever tried
    """The feed's state does not allow this; nothing was changed."""


def step(state: FeedState, action: FeedAction) -> FeedState:
    """Return the state that an action leads to; raise IllegalStep saying what is allowed.

    Repeating publish or retire changes nothing. Classifying and deprecating again carry new facts.
    """
    to = TRANSITIONS.get((state, action))
    if to is not None:
        return to
    if (action, state) in ((FeedAction.PUBLISH, PUBLISHED), (FeedAction.RETIRE, RETIRED)):
        return state
    possible = ", ".join(sorted(a for at, a in TRANSITIONS if at is state))
    first = {
        (DRAFT, FeedAction.PUBLISH): "classify it first",
        (PUBLISHED, FeedAction.RETIRE): "deprecate it first, so that its consumers are warned",
    }.get((state, action), f"possible are {possible}" if possible else "it has ended")
    raise IllegalStep(f"a feed that is {state} cannot be {_PAST[action]}: {first}")


_PAST = {
    FeedAction.CLASSIFY: "classified",
    FeedAction.PUBLISH: "published",
    FeedAction.DEPRECATE: "deprecated",
    FeedAction.RETIRE: "retired",
}


def faults_of(classification: Classification) -> list[str]:
    """Return what is wrong with a classification, in sentences."""
    faults = []
    for name in ("confidentiality", "integrity", "availability"):
        level: int = getattr(classification, name)
        if not 0 <= level <= HIGHEST:
            faults.append(f"{name} is 0 to {HIGHEST - 1}")
        elif level == HIGHEST:
            faults.append(f"{name} {HIGHEST} must not be shared through a hub")
    if classification.review_at and classification.review_at <= classification.decided_at:
        faults.append("the review lies in the past")
    return faults
