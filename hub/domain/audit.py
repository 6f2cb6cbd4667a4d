"""Who did what, when and why, in a chain that nobody can quietly change."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

FIRST_HASH = bytes(32)  # what the first event has before it


@dataclass(frozen=True, slots=True)
class Event:
    """Something that somebody did.

    `actor` as `person:anna`, `subject` as `agreement/12`. `organisations` may read it.
    """

    actor: str
    organisation: str | None
    action: str
    subject: str
    organisations: frozenset[str]
    at: datetime
    reason: str = ""
    decision: str = ""
    detail: str = "{}"


@dataclass(frozen=True, slots=True)
class Link:
    """An event in its place in the chain."""

    position: int
    event: Event
    previous: bytes
    hash: bytes


def link(position: int, event: Event, previous: bytes) -> Link:
    """Append an event to a chain whose last hash is `previous`."""
    return Link(
        position, event, previous, hashlib.sha256(previous + _told(position, event)).digest()
    )


class Fault(NamedTuple):
    """The first event that does not hold, and what was done to the chain there."""

    position: int
    what: str


def first_fault(links: Iterable[Link], after: Link | None = None) -> Fault | None:
    """Return the first event that is not as it was appended; None if all is well.

    `links` follow `after`; without it they are the chain from its beginning.
    """
    last = after or _BEFORE_ALL
    for found in links:
        if found.previous != last.hash or found.position != last.position + 1:
            return _misplaced(found, last)
        if not _is_whole(found):
            return Fault(found.position, f"event {found.position} was altered")
        last = found
    return None


_BEFORE_ALL = Link(
    0, Event("", None, "", "", frozenset(), datetime.min.replace(tzinfo=UTC)), b"", FIRST_HASH
)


def _misplaced(found: Link, last: Link) -> Fault:
    """Say what was done where an event does not follow the last one that holds."""
    place = last.position + 1
    if found.position < place:
        return Fault(found.position, f"event {found.position} was put in")
    if found.position > place:
        return Fault(place, f"event {place} was removed")
    if last.position and found.previous == last.previous:
        return Fault(last.position, f"event {last.position} was put in, and later ones renumbered")
    if last.position and _is_whole(found):
        return Fault(
            last.position,
            f"event {last.position} is not the one that event {place} follows: it was exchanged",
        )
    return Fault(place, f"event {place} stands where another was: that was removed, or moved")


def _is_whole(found: Link) -> bool:
    try:
        return link(found.position, found.event, found.previous) == found
    except (TypeError, ValueError, OverflowError):
        return False  # an altered field may hold what no event ever had


def detail(**members: Any) -> str:  # noqa: ANN401  any JSON
    """Write what an event is about, always in the same way."""
    return json.dumps(members, sort_keys=True, ensure_ascii=False, default=str)


def members_of(position: int, event: Event) -> dict[str, Any]:
    """Return an event as it is hashed, for whoever wants to do so again."""
    return {
        "position": position,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": event.actor,
        "organisation": event.organisation,
        "action": event.action,
        "subject": event.subject,
        "organisations": sorted(event.organisations),
        "reason": event.reason,
        "decision": event.decision,
        "detail": event.detail,
    }


def _told(position: int, event: Event) -> bytes:
    """Write an event as it is hashed: RFC 8785 in spirit, keys sorted and nothing to spare."""
    members = members_of(position, event)
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
