"""When did messages without a time arrive? Remembered in the commit that stores them."""

from collections.abc import Sequence

from hub.domain.intake import Arrival
from hub.storage.pool import Db
from hub.storage.sql import statement

_LOCK_SESSION = statement("arrivals", "lock_session")
_REMEMBER = statement("arrivals", "remember")
_NEWEST = statement("arrivals", "newest")


async def remember(db: Db, arrivals: Sequence[Arrival], batch_id: int) -> None:
    """Remember arrivals; of one packet id the last counts."""
    last = {(arrival.session, arrival.packet_id): arrival for arrival in arrivals}
    if last:
        await db.execute(_LOCK_SESSION, arrivals[0].session)
        columns = zip(*last.values(), strict=True)
        await db.execute(_REMEMBER, *(list(column) for column in columns), batch_id)


async def newest(db: Db, session: str, limit: int) -> list[Arrival]:
    """Return the last arrivals of a session, oldest first."""
    async with db.transaction():
        await db.execute(_LOCK_SESSION, session)
        return [Arrival(*row) for row in await db.fetch(_NEWEST, session, limit)]
