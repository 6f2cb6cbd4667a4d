"""What could not be accepted: kept, shown to those who can mend it, and forgotten in the end."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_LISTED = statement("rejections", "listed")
_REPLAYABLE = statement("rejections", "replayable")
_FORGET_MESSAGE = statement("rejections", "forget_message")
_FORGET_BEFORE = statement("rejections", "forget_before")

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_NEWEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rejections; None takes all. Times are those of arrival: since, and before until."""

    reason: str | None = None
    connector: str | None = None
    device: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def arguments(self) -> tuple[object, ...]:
        since, until = self.since or _BEGINNING, self.until or _END
        return (self.reason, self.connector, self.device, since, until)


async def listed(
    db: Db, wanted: Filter, *, before: int | None = None, limit: int = 100
) -> list[Record]:
    """Return rejections newest first, those with an id below `before`."""
    return await db.fetch(_LISTED, *wanted.arguments, before or _NEWEST_ID, limit)


async def replayable(db: Db, wanted: Filter, *, after: int, limit: int) -> list[Record]:
    """Lock and return id, batch_id, topic, received_at and payload of what can be replayed."""
    return await db.fetch(_REPLAYABLE, *wanted.arguments, after, limit)


async def forget_message(db: Db, batch_id: int, topic: str, received_at: datetime) -> None:
    await db.execute(_FORGET_MESSAGE, batch_id, topic, received_at)


async def forget_before(db: Db, time: datetime) -> int:
    """Delete rejections that arrived before a time; return how many."""
    status = await db.execute(_FORGET_BEFORE, time)
    return int(status.rpartition(" ")[2])
