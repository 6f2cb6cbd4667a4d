"""What is in the database? Rows and checksums of every part, to compare a restored one with."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from hub.storage.pool import Db
from hub.storage.sql import statement

_TABLES = statement("inventory", "tables")
_DAYS = statement("inventory", "days")
_EXPORT = statement("inventory", "export_snapshot")
_JOBS = statement("inventory", "jobs")
_HAS_JOBS = statement("inventory", "has_jobs")
_ROLLUPS = ("reading_minute", "reading_hour", "reading_day")


class Part(NamedTuple):
    """A table, or one day of the readings: how many rows, and a sum over all that they hold."""

    rows: int
    checksum: str


Inventory = Mapping[str, Part]


@asynccontextmanager
async def snapshot(db: Db) -> AsyncIterator[str]:
    """Hold the database still for this connection; yield a name by which others see the same."""
    async with db.transaction(isolation="repeatable_read", readonly=True):
        name: str = await db.fetchval(_EXPORT)
        yield name


async def take(db: Db) -> Inventory:
    """Count and add up every table, the readings day by day, the roll-ups, and the jobs.

    Reads everything once: about a second per million readings.
    """
    parts: dict[str, Part] = {}
    for row in await db.fetch(_TABLES):
        parts[row["name"]] = await _part(db, _sum(row["name"]))
    for row in await db.fetch(_DAYS):
        parts[f"reading {row['day']}"] = Part(row["rows"], row["checksum"])
    for name in _ROLLUPS:
        if await db.fetchval("select to_regclass($1)", name) is not None:
            parts[name] = await _part(db, _sum(name))
    if await db.fetchval(_HAS_JOBS) is not None:
        parts["jobs"] = await _part(db, _JOBS)
    return parts


def differences(expected: Inventory, found: Inventory) -> Iterator[str]:
    """Say of every part that is not the same what it was and what it is."""
    for name in sorted(expected.keys() | found.keys()):
        was, now = expected.get(name), found.get(name)
        if was == now:
            continue
        if was is None or now is None:
            told = "was not there" if was is None else "is missing"
        elif was.rows != now.rows:
            told = f"had {was.rows} rows, has {now.rows}"
        else:
            told = f"holds other values in its {now.rows} rows"
        yield f"{name} {told}"


async def _part(db: Db, query: str) -> Part:
    [[rows, checksum]] = await db.fetch(query)
    return Part(rows, checksum)


def _sum(relation: str) -> str:
    # The name is one of the database's own; a checksum adds up, so the order does not matter.
    return (
        f"select count(*), coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text "
        f'from "{relation}" r'
    )
