"""What keeps the store in order, and whether it is done in time?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from hub.errors import MaintenanceFailed, StadsnavError
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_LOCK = statement("maintenance", "lock")
_BEGIN = statement("maintenance", "begin")
_END = statement("maintenance", "end")
_TASKS = statement("maintenance", "tasks")
_JOBS = statement("maintenance", "jobs")
_NEXT_ROLL_UP = statement("maintenance", "next_roll_up")
_ROLL_UP = statement("maintenance", "roll_up")
_LATE_HOURS = statement("maintenance", "late_hours")
_ROLL_UP_AGAIN = statement("maintenance", "roll_up_again")
_UNMARK = statement("maintenance", "unmark")
_LATE = statement("maintenance", "late")
_RATE = statement("maintenance", "rate")
_MEMORY = statement("maintenance", "memory")
_CHUNK_INTERVAL = statement("maintenance", "chunk_interval")
_SET_CHUNK_INTERVAL = statement("maintenance", "set_chunk_interval")


class LateHour(NamedTuple):
    """An hour of a datastream whose roll-ups lack what came late."""

    datastream_id: int
    hour: datetime
    marked_at: datetime


async def lock(db: Db) -> bool:
    """Become the one that maintains, for as long as the connection lives; False if another is."""
    taken: bool = await db.fetchval(_LOCK)
    return taken


@asynccontextmanager
async def recorded(db: Db, task: str, every: timedelta) -> AsyncIterator[None]:
    """Keep record of one run. Raises MaintenanceFailed where the task fails, not the connection."""
    await db.execute(_BEGIN, task, every)
    try:
        yield
    except asyncpg.PostgresConnectionError:
        raise
    except (asyncpg.PostgresError, StadsnavError) as error:
        await db.execute(_END, task, str(error))
        raise MaintenanceFailed(str(error)) from error
    await db.execute(_END, task, None)


async def tasks(db: Db) -> list[Record]:
    """Return task, every, started_at, succeeded_at, took and error of all that ever ran."""
    return await db.fetch(_TASKS)


async def jobs(db: Db) -> list[Record]:
    """Return job, succeeded_at, failures and every of what the database runs by itself."""
    return await db.fetch(_JOBS)


async def next_roll_up(db: Db, lag: timedelta) -> datetime | None:
    """Return until when to roll up next, leaving `lag` before now; None if nothing is to do."""
    until: datetime | None = await db.fetchval(_NEXT_ROLL_UP, lag)
    return until


async def roll_up(db: Db, until: datetime) -> None:
    """Roll up what lies before a time. Not within a transaction: it commits on its way."""
    await db.execute(_ROLL_UP, until)


async def late_hours(db: Db, limit: int) -> list[LateHour]:
    """Return the oldest hours that late readings have changed since they were rolled up."""
    return [LateHour(*row) for row in await db.fetch(_LATE_HOURS, limit)]


async def roll_up_again(db: Db, late: Sequence[LateHour]) -> None:
    """Bring these hours and their days up to date. Not within a transaction."""
    streams, hours, marks = ([mark[place] for mark in late] for place in range(3))
    await db.execute(_ROLL_UP_AGAIN, streams, hours)
    await db.execute(_UNMARK, streams, hours, marks)


async def late(db: Db) -> tuple[int, datetime | None]:
    """Return how many hours wait to be rolled up again, and since when."""
    row = await db.fetchrow(_LATE)
    return (row["hours"], row["since"]) if row else (0, None)


async def readings_a_day(db: Db) -> float | None:
    """Return the rate of the last week, None where there is too little to tell."""
    rate: float | None = await db.fetchval(_RATE)
    return rate


async def memory(db: Db) -> int:
    """Return how many bytes the server expects to find cached."""
    size: int = await db.fetchval(_MEMORY)
    return size


async def chunk_interval(db: Db) -> timedelta | None:
    """Return how much time a chunk of readings spans, None where there are no chunks."""
    interval: timedelta | None = await db.fetchval(_CHUNK_INTERVAL)
    return interval


async def set_chunk_interval(db: Db, width: timedelta) -> None:
    """Let the chunks from now on span so much."""
    await db.execute(_SET_CHUNK_INTERVAL, width)
