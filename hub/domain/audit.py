"""Who did what, when and why, in a chain that nobody can quietly change."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

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


def first_fault(
    links: Iterable[Link], position: int = 0, previous: bytes = FIRST_HASH
) -> int | None:
    """Return the first position that is missing, altered or out of order; None if all is well.

    `links` follow after `position`, whose hash is `previous`.
    """
    for found in links:
        expected = link(position + 1, found.event, previous)
        if found != expected:
            return position + 1
        position, previous = expected.position, expected.hash
    return None


def detail(**members: Any) -> str:  # noqa: ANN401  any JSON
    """Write what an event is about, always in the same way."""
    return json.dumps(members, sort_keys=True, ensure_ascii=False, default=str)


def _told(position: int, event: Event) -> bytes:
    """Write an event as it is hashed: RFC 8785 in spirit, keys sorted and nothing to spare."""
    members = {
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
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
