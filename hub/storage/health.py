"""How is the database itself? What `stadsnav doctor` asks of it."""

from datetime import datetime

from hub.storage.pool import Db


async def server_version(db: Db) -> str:
    version: str = await db.fetchval("show server_version")
    return version


async def durability(db: Db) -> list[str]:
    """Return the settings that let a crash lose what was committed."""
    found = []
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        value = await db.fetchval("select current_setting($1)", setting)
        if value == "off":
            found.append(f"{setting} is off")
    return found


async def clock_difference(db: Db, now: datetime) -> float:
    """Return by how many seconds the database's clock is ahead of `now`."""
    theirs: datetime = await db.fetchval("select clock_timestamp()")
    return (theirs - now).total_seconds()
