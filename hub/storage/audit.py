"""The audit as rows: appended to within the transaction that does what it tells of."""

from collections.abc import Callable
from typing import NamedTuple

from hub.domain.audit import FIRST_HASH, Event, Link, first_fault, link
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_LOCK_CHAIN = statement("audit", "lock_chain")
_NEWEST = statement("audit", "newest")
_APPEND = statement("audit", "append")
_FROM_POSITION = statement("audit", "from_position")
_SEEN_BY = statement("audit", "seen_by")

AT_A_TIME = 1_000


async def append(db: Db, event: Event) -> Link:
    """Append an event. Call it last in the transaction: the chain is locked from here on."""
    await db.execute(_LOCK_CHAIN)
    newest = await db.fetchrow(_NEWEST)
    position, previous = (newest["position"], newest["hash"]) if newest else (0, FIRST_HASH)
    made = link(position + 1, event, previous)
    await db.execute(
        _APPEND, made.position, event.at, event.actor, event.organisation, event.action,
        event.subject, sorted(event.organisations), event.reason, event.decision, event.detail,
        previous, made.hash,
    )  # fmt: skip
    return made


async def newest(db: Db) -> tuple[int, bytes]:
    """Return position and hash of the newest event: what to write down elsewhere."""
    row = await db.fetchrow(_NEWEST)
    return (row["position"], row["hash"]) if row else (0, FIRST_HASH)


class Proof(NamedTuple):
    """How many events hold, the hash of the last of them, and the first position that does not."""

    events: int
    hash: bytes
    fault: int | None


async def verify(
    db: Db,
    head: tuple[int, bytes] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Proof:
    """Walk the whole chain; with a `head` that was written down, also prove that it is in it."""
    position, previous, met = 0, FIRST_HASH, head is None or head == (0, FIRST_HASH)
    while links := [_link(row) for row in await db.fetch(_FROM_POSITION, position, AT_A_TIME)]:
        fault = first_fault(links, position, previous)
        if fault is not None:
            return Proof(fault - 1, previous, fault)
        met = met or any((found.position, found.hash) == head for found in links)
        position, previous = links[-1].position, links[-1].hash
        advance(len(links))
    return Proof(position, previous, None if met or head is None else min(head[0], position))


async def seen_by(
    db: Db, organisation: str | None, *, subject: str | None, before: int, limit: int
) -> list[Record]:
    """Return events that concern an organisation (None: all), newest first."""
    return await db.fetch(_SEEN_BY, organisation, subject, before, limit)


def _link(row: Record) -> Link:
    event = Event(
        row["actor"], row["organisation"], row["action"], row["subject"],
        frozenset(row["organisations"]), row["at"], row["reason"], row["decision"], row["detail"],
    )  # fmt: skip
    return Link(row["position"], event, row["previous"], row["hash"])
