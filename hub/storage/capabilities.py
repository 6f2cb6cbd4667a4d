"""What can this database do? Asked once at start; nothing else asks."""

from enum import StrEnum

from hub.storage.pool import Db

# Not every user may see what is preloaded; what its loader brings can be seen by all.
_PRELOADED = """
select current_setting('timescaledb.max_background_workers', true) is not null
    or exists (select from pg_settings where name = 'shared_preload_libraries'
                                         and setting like '%timescaledb%')
"""


class Capability(StrEnum):
    COMMUNITY = "community"  # TimescaleDB with columnstore, continuous aggregates and policies
    APACHE = "apache"  # TimescaleDB as Debian ships it: hypertables and time_bucket
    PLAIN = "plain"  # PostgreSQL alone


async def detect(db: Db) -> Capability:
    """Return what the database has installed, or could install with the rights at hand."""
    available = await db.fetchval(
        "select 1 from pg_available_extensions where name = 'timescaledb'"
    )
    preloaded = await db.fetchval(_PRELOADED)
    if not available or not (preloaded or await _installed(db)):
        return Capability.PLAIN
    await db.execute("create extension if not exists timescaledb")
    licence = await db.fetchval("select current_setting('timescaledb.license', true)")
    return Capability.COMMUNITY if licence == "timescale" else Capability.APACHE


async def _installed(db: Db) -> bool:
    return bool(await db.fetchval("select 1 from pg_extension where extname = 'timescaledb'"))
