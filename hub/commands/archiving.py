"""Archive closed days: one file per organisation and day, then the day's manifest."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta

from hub.archive.layout import Manifest, Root
from hub.archive.writing import DayWriter, Written
from hub.domain.sensing import Datastream
from hub.storage import archiving
from hub.storage.pool import Db

ROWS_AT_ONCE = 50_000
SETTLED = timedelta(days=2)  # what comes later is archived again

Tell = Callable[[str], None]


async def archive(
    db: Db, address: str, now: datetime, *, settled: timedelta = SETTLED, tell: Tell
) -> int:
    """Write every closed day that is not there yet, or has changed since; return how many.

    Safe to repeat and to interrupt: a day counts once its manifest is written.
    """
    root, written = await asyncio.to_thread(Root.at, address), 0
    async for day in _days(db, root, now - settled):
        rows = await _archive_day(db, root, day, now)
        tell(f"{day}: {rows} readings")
        written += 1
    return written


async def _days(db: Db, root: Root, until: datetime) -> AsyncIterator[date]:
    """Yield the days that need to be written, oldest first."""
    day = await archiving.oldest_day(db)
    while day is not None and day < until.astimezone(UTC).date():
        manifest = await asyncio.to_thread(root.manifest, day)
        changed = manifest is None or await archiving.touched_since(db, day, manifest.written_at)
        # What was forgotten in part must not take the place of what is archived whole.
        if changed and await archiving.is_whole(db, day):
            yield day
        day += timedelta(days=1)


async def _archive_day(db: Db, root: Root, day: date, now: datetime) -> int:
    files: dict[str, tuple[int, str]] = {}
    for organisation in await archiving.organisations(db):
        streams = await archiving.streams_of(db, organisation)
        made = await _write(db, root, day, organisation, streams)
        if made is not None:
            files[made.name] = (made.rows, made.digest)
    manifest = Manifest(day, now, files)
    await asyncio.to_thread(root.put_manifest, manifest)
    return manifest.rows


async def _write(
    db: Db, root: Root, day: date, organisation: str, streams: dict[int, Datastream]
) -> Written | None:
    pages = archiving.pages(db, list(streams), day, ROWS_AT_ONCE)
    first = await anext(pages, None)
    if first is None:
        return None
    writer = DayWriter(root, day, organisation, streams)
    with writer:
        await asyncio.to_thread(writer.write, first)
        async for page in pages:
            await asyncio.to_thread(writer.write, page)
    return await asyncio.to_thread(writer.finish)
