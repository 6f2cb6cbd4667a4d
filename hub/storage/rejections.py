"""What could not be accepted: kept, shown to those who can mend it, and forgotten in the end."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hub.domain.topics import readings_topic
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_LISTED = statement("rejections", "listed")
_REPLAYABLE = statement("rejections", "replayable")
_FORGET_MESSAGE = statement("rejections", "forget_message")
_FORGET_BEFORE = statement("rejections", "forget_before")
_NEWEST_ID = statement("rejections", "newest_id")
_COUNT = statement("rejections", "count")
_WHOLE = statement("rejections", "whole")

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rejections; None takes all. Times are those of arrival: since, and before until."""

    id: int | None = None
    reason: str | None = None
    connector: str | None = None
    device: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        since, until = self.since or _BEGINNING, self.until or _END
        topic = readings_topic(self.device) if self.device else None
        return (self.id, self.reason, self.connector, topic, since, until)


async def listed(
    db: Db, wanted: Filter, *, before: int | None = None, limit: int = 100
) -> list[Record]:
    """Return rejections newest first, those with an id below `before`."""
    return await db.fetch(_LISTED, *wanted.arguments, before or _LARGEST_ID, limit)


async def whole(db: Db, id_: int) -> Record | None:
    """Return one rejection with its payload."""
    return await db.fetchrow(_WHOLE, id_)


async def newest_id(db: Db) -> int:
    """Return the id of the newest rejection, 0 if there is none."""
    newest: int = await db.fetchval(_NEWEST_ID)
    return newest


async def count(db: Db, wanted: Filter, *, after: int = 0, until: int | None = None) -> int:
    """Return how many rejections a filter selects, of those with ids in (after, until]."""
    found: int = await db.fetchval(_COUNT, *wanted.arguments, after, until or _LARGEST_ID)
    return found


async def replayable(db: Db, wanted: Filter, *, after: int, until: int, limit: int) -> list[Record]:
    """Lock what can be replayed of ids in (after, until], oldest first.

    Returns id, batch_id, topic, received_at and payload.
    """
    return await db.fetch(_REPLAYABLE, *wanted.arguments, after, until, limit)


async def forget_message(db: Db, batch_id: int, topic: str, received_at: datetime) -> None:
    await db.execute(_FORGET_MESSAGE, batch_id, topic, received_at)


async def forget_before(db: Db, time: datetime, *, limit: int | None = None) -> int:
    """Delete rejections that arrived before a time, oldest first; return how many."""
    status = await db.execute(_FORGET_BEFORE, time, limit)
    return int(status.rpartition(" ")[2])
