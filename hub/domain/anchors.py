"""What proves outside of the hub that an event is in the audit, and that the audit is whole?

An anchor is one line that leaves the hub: the hash of the newest event, and the root of a Merkle
tree over the events since the anchor before. It covers that anchor's line too, so the newest line
vouches for all of them.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import index
from typing import Any

from hub.domain.audit import Link, members_of

MOST_EVENTS = 2**16  # of one anchor: a proof reads no more than these, and has 16 steps at most
NOTHING_BEFORE = bytes(32)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The events from `first` to `last`; `head` is the hash of the last, `before` a digest."""

    number: int
    first: int
    last: int
    head: bytes
    root: bytes
    before: bytes
    at: datetime

    @property
    def members(self) -> dict[str, Any]:
        return {
            "anchor": self.number,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "before": self.before.hex(),
            "first": self.first,
            "head": self.head.hex(),
            "last": self.last,
            "root": self.root.hex(),
        }

    @property
    def line(self) -> str:
        """Return it as it is written outside, always in the same way."""
        return json.dumps(self.members, sort_keys=True, separators=(",", ":"))

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.line.encode()).digest()


def anchor(before: Anchor | None, hashes: Sequence[bytes], at: datetime) -> Anchor:
    """Make the anchor of the events whose hashes follow those of the anchor before."""
    number, last, digest = (before.number, before.last, before.digest) if before else (0, 0, None)
    return Anchor(
        number + 1, last + 1, last + len(hashes), hashes[-1], root(hashes),
        digest or NOTHING_BEFORE, at,
    )  # fmt: skip


def parse_anchor(line: str) -> Anchor:
    """Read a line; raise ValueError for anything that is not one as it was written."""
    try:
        told = json.loads(line)
        number, first, last = (index(told[name]) for name in ("anchor", "first", "last"))
        found = Anchor(
            number, first, last, bytes.fromhex(told["head"]), bytes.fromhex(told["root"]),
            bytes.fromhex(told["before"]), datetime.fromisoformat(told["at"]),
        )  # fmt: skip
        same = found.line == line.strip()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        msg = f"{line[:60]!r} is not an anchor"
        raise ValueError(msg) from error
    if not same:
        msg = f"{line[:60]!r} is not written as the hub writes anchors"
        raise ValueError(msg)
    return found


def first_break(anchors: Sequence[Anchor]) -> int | None:
    """Return the number of the first anchor that does not follow the one before it."""
    before: Anchor | None = None
    for number, found in enumerate(anchors, 1):
        last, digest = (before.last, before.digest) if before else (0, NOTHING_BEFORE)
        follows = found.first == last + 1 and found.before == digest
        if found.number != number or not follows or found.last < found.first:
            return number
        before = found
    return None


def proof(found: Link, covering: Anchor, hashes: Sequence[bytes]) -> dict[str, Any]:
    """Return what proves to anybody who has the anchor that this event is in the audit.

    `hashes` are those of all events that the anchor covers.
    """
    return {
        "event": members_of(found.position, found.event),
        "previous": found.previous.hex(),
        "path": [node.hex() for node in path(hashes, found.position - covering.first)],
        "anchor": covering.members,
    }


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the Merkle tree over the hashes of events (RFC 6962, section 2.1)."""
    if len(hashes) == 1:
        return hashlib.sha256(b"\x00" + hashes[0]).digest()
    split = _split(len(hashes))
    return _joined(root(hashes[:split]), root(hashes[split:]))


def path(hashes: Sequence[bytes], place: int) -> list[bytes]:
    """Return what leads from one of the hashes to the root, leaf first (RFC 6962, 2.1.1)."""
    if len(hashes) == 1:
        return []
    split = _split(len(hashes))
    if place < split:
        return [*path(hashes[:split], place), root(hashes[split:])]
    return [*path(hashes[split:], place - split), root(hashes[:split])]


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def _joined(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
