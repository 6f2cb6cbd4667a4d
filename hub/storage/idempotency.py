"""What requests with an Idempotency-Key were answered."""

from typing import NamedTuple

from hub.storage.pool import Db
from hub.storage.sql import statement

_LOCK = statement("idempotency", "lock")
_FIND = statement("idempotency", "find")
_REMEMBER = statement("idempotency", "remember")
_FORGET = statement("idempotency", "forget")


class Answered(NamedTuple):
    """`request` is the digest of what was asked."""

    request: bytes
    status: int
    body: str


async def find(db: Db, actor: str, key: str) -> Answered | None:
    """Return the answer to a key, once nobody else is working on it."""
    await db.execute(_LOCK, f"{actor} {key}")
    row = await db.fetchrow(_FIND, actor, key)
    return Answered(*row) if row else None


async def remember(db: Db, actor: str, key: str, answered: Answered) -> None:
    await db.execute(_REMEMBER, actor, key, *answered)


async def forget(db: Db, limit: int) -> int:
    """Delete answers that are too old to be repeated; return how many."""
    status = await db.execute(_FORGET, limit)
    return int(status.rpartition(" ")[2])
