"""The audit as rows: appended to within the transaction that does what it tells of."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hub.domain.anchors import MOST_EVENTS, Anchor, first_break, parse_anchor, proof, root
from hub.domain.audit import FIRST_HASH, Event, Fault, Link, first_fault, link
from hub.errors import Conflict
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_LOCK_CHAIN = statement("audit", "lock_chain")
_NEWEST = statement("audit", "newest")
_APPEND = statement("audit", "append")
_FROM_POSITION = statement("audit", "from_position")
_SEEN_BY = statement("audit", "seen_by")
_ONE = statement("audit", "one")
_HASHES = statement("audit", "hashes")
_LOCK_ANCHORS = statement("audit", "lock_anchors")
_NEWEST_ANCHOR = statement("audit", "newest_anchor")
_ANCHORS = statement("audit", "anchors")
_ANCHOR_OF = statement("audit", "anchor_of")
_ADD_ANCHOR = statement("audit", "add_anchor")

AT_A_TIME = 1_000
BEFORE_ALL = -(2**63)  # also what somebody put before the first event is looked at
_SEPARATOR = "\x1f"


async def append(db: Db, *events: Event) -> None:
    """Append events. Call it last in the transaction: the chain is locked from here on."""
    await db.execute(_LOCK_CHAIN)
    position, previous = await newest(db)
    links = []
    for event in events:
        links.append(link(position + 1, event, previous))
        position, previous = links[-1].position, links[-1].hash
    await db.execute(_APPEND, *map(list, zip(*map(_row, links), strict=True)))


async def newest(db: Db) -> tuple[int, bytes]:
    """Return position and hash of the newest event: what to write down elsewhere."""
    row = await db.fetchrow(_NEWEST)
    return (row["position"], row["hash"]) if row else (0, FIRST_HASH)


class Verified(NamedTuple):
    """How many events hold, the hash of the last of them, and the first fault."""

    events: int
    hash: bytes
    fault: Fault | None


async def verify(
    db: Db,
    head: tuple[int, bytes] | None = None,
    advance: Callable[[int], None] = lambda _: None,
    *,
    anchors: Sequence[Anchor] = (),
) -> Verified:
    """Walk the whole chain, up to the first event that does not hold.

    With a `head` that was written down, or with `anchors`, also prove that what was there then is
    still its beginning.
    """
    broken = first_break(anchors)
    if broken is not None:
        changed = Fault(
            1, f"anchor {broken} does not follow the one before: it was changed outside"
        )
        return Verified(0, FIRST_HASH, changed)
    last: Link | None = None
    outside = _Outside(anchors, head)
    position = BEFORE_ALL
    while links := [_link(row) for row in await db.fetch(_FROM_POSITION, position, AT_A_TIME)]:
        fault = first_fault(links, last)
        for found in links:
            if fault is not None and found.position >= fault.position:
                return _until(last, fault)
            if (replaced := outside.first_fault(found)) is not None:
                return _until(last, replaced)
            last = found
        if fault is not None:
            return _until(last, fault)
        position = links[-1].position
        advance(len(links))
    return _until(last, outside.left_over(last.position if last else 0))


def _until(last: Link | None, fault: Fault | None) -> Verified:
    position, reached = (last.position, last.hash) if last else (0, FIRST_HASH)
    return Verified(position, reached, fault)


class _Outside:
    """What is known from outside, compared with one event after the other."""

    def __init__(self, anchors: Sequence[Anchor], head: tuple[int, bytes] | None) -> None:
        self._anchors = list(reversed(anchors))
        self._head = head
        self._hashes: list[bytes] = []

    def first_fault(self, found: Link) -> Fault | None:
        """Take in the next event; return what it shows about itself and those before it."""
        if self._head is not None and found.position == self._head[0]:
            if found.hash != self._head[1]:
                return Fault(found.position, f"up to event {found.position} all was replaced")
            self._head = None
        if not self._anchors:
            return None
        self._hashes.append(found.hash)
        anchor = self._anchors[-1]
        if found.position < anchor.last:
            return None
        hashes, self._hashes = self._hashes, []
        self._anchors.pop()
        if found.hash == anchor.head and root(hashes) == anchor.root:
            return None
        return Fault(
            anchor.first,
            f"events {anchor.first} to {anchor.last} are not those of anchor {anchor.number}: the "
            "chain was replaced by another",
        )

    def left_over(self, position: int) -> Fault | None:
        """Return what should have come after the last event."""
        if self._anchors:
            anchor = self._anchors[-1]
            return Fault(
                position + 1,
                f"event {position + 1} was removed: anchor {anchor.number} was made of events up "
                f"to {self._anchors[0].last}",
            )
        if self._head is not None and self._head != (0, FIRST_HASH):
            return Fault(position + 1, f"event {position + 1} was removed, and all after it")
        return None


async def seen_by(
    db: Db,
    organisation: str | None,
    *,
    subject: str | None,
    action: str | None = None,
    before: int,
    limit: int,
) -> list[Record]:
    """Return events that concern an organisation (None: all), newest first."""
    return await db.fetch(_SEEN_BY, organisation, subject, before, limit, action)


async def one(db: Db, position: int) -> Link | None:
    row = await db.fetchrow(_ONE, position)
    return _link(row) if row else None


async def hashes(db: Db, first: int, last: int) -> list[bytes]:
    """Return the hashes of the events from `first` to `last`, both included."""
    return [row["hash"] for row in await db.fetch(_HASHES, first, last)]


async def unanchored(db: Db, after: Anchor | None) -> list[bytes]:
    """Return the hashes of the events after an anchor, no more than one anchor covers."""
    first = after.last + 1 if after else 1
    return await hashes(db, first, first + MOST_EVENTS - 1)


async def lock_anchors(db: Db) -> None:
    """Wait until nobody else writes outside, and keep others from it until the commit."""
    await db.execute(_LOCK_ANCHORS)


async def newest_anchor(db: Db) -> Anchor | None:
    return _anchor(await db.fetchval(_NEWEST_ANCHOR))


async def anchors(db: Db) -> list[Anchor]:
    """Return the hub's own copy of what is outside, by number."""
    return [parse_anchor(row["line"]) for row in await db.fetch(_ANCHORS)]


async def prove(db: Db, found: Link) -> dict[str, Any]:
    """Return the proof of an event. Raises Conflict where no anchor covers it yet."""
    covering = _anchor(await db.fetchval(_ANCHOR_OF, found.position))
    if covering is None:
        raise Conflict(
            f"no anchor covers event {found.position} yet: `stadsnav maintain` writes one every "
            "hour where STADSNAV_AUDIT_ANCHORS says where to, `stadsnav audit anchor` at once"
        )
    return proof(found, covering, await hashes(db, covering.first, covering.last))


async def add_anchor(db: Db, new: Anchor) -> None:
    await db.execute(_ADD_ANCHOR, new.number, new.last, new.line)


def _anchor(line: str | None) -> Anchor | None:
    return None if line is None else parse_anchor(line)


def _row(made: Link) -> tuple[object, ...]:
    event = made.event
    return (
        made.position, event.at, event.actor, event.organisation, event.action, event.subject,
        _SEPARATOR.join(sorted(event.organisations)), event.reason, event.decision, event.detail,
        made.previous, made.hash,
    )  # fmt: skip


def _link(row: Record) -> Link:
    event = Event(
        row["actor"], row["organisation"], row["action"], row["subject"],
        frozenset(row["organisations"]), row["at"], row["reason"], row["decision"], row["detail"],
    )  # fmt: skip
    return Link(row["position"], event, row["previous"], row["hash"])
