"""What of the readings goes into the archive?"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta

from hub.domain.sensing import Datastream, Reading
from hub.storage.pool import Db
from hub.storage.sql import statement

_OLDEST = statement("archiving", "oldest")
_TOUCHED = statement("archiving", "touched")
_ORGANISATIONS = statement("archiving", "organisations")
_STREAMS = statement("archiving", "streams")
_PAGE = statement("archiving", "page")
_FORGOTTEN = statement("archiving", "forgotten")
DAY = timedelta(days=1)


async def oldest_day(db: Db) -> date | None:
    """Return the first day that has readings, UTC."""
    first: datetime | None = await db.fetchval(_OLDEST)
    return None if first is None else first.astimezone(UTC).date()


async def touched_since(db: Db, day: date, written_at: datetime) -> bool:
    """Tell whether something was committed to a day after it was archived."""
    return bool(await db.fetchval(_TOUCHED, *_span(day), written_at))


async def is_whole(db: Db, day: date) -> bool:
    """Tell whether nothing of a day was forgotten yet."""
    return not await db.fetchval(_FORGOTTEN, _span(day)[0])


async def organisations(db: Db) -> list[str]:
    return [row["id"] for row in await db.fetch(_ORGANISATIONS)]


async def streams_of(db: Db, organisation: str) -> dict[int, Datastream]:
    """Return every datastream of an organisation, also of devices that are out of use."""
    return {
        row["id"]: Datastream(
            row["id"], row["device"], row["device"], row["kind"], row["property"], row["unit"],
            None, row["moving"],
        )
        for row in await db.fetch(_STREAMS, organisation)
    }  # fmt: skip


async def pages(
    db: Db, streams: Sequence[int], day: date, size: int
) -> AsyncIterator[list[Reading]]:
    """Yield a day's readings by (datastream, time), so many at a time."""
    stream, at = 0, datetime(1, 1, 1, tzinfo=UTC)
    while True:
        rows = await db.fetch(_PAGE, sorted(streams), *_span(day), stream, at, size)
        if rows:
            yield [Reading(*row) for row in rows]
        if len(rows) < size:
            return
        stream, at = rows[-1]["datastream_id"], rows[-1]["time"]


def _span(day: date) -> tuple[datetime, datetime]:
    begin = datetime.combine(day, datetime.min.time(), UTC)
    return begin, begin + DAY
