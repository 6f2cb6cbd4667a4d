"""What could not be accepted: kept, and shown to those who can mend it."""

from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_NEWEST = statement("rejections", "newest")


async def newest(db: Db, limit: int) -> list[Record]:
    """Return id, received_at, connector, topic, reason, readings and detail, newest first."""
    return await db.fetch(_NEWEST, limit)
