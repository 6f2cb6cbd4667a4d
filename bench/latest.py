"""How fast is `latest` of a feed with 1,000 datastreams, and by which way of asking?

Over millions of readings, in the database alone: the hub's own answer beside the ways it could have
gone. Give a server with TimescaleDB by STADSNAV_DATABASE_URL; without one it takes the embedded.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

from bench.report import finish, say, summary_ms
from hub.domain.queries import ShapedQuery
from hub.embedded import postgres
from hub.sharing.shaping import RECENT
from hub.storage import readings
from hub.storage.migrate import migrate
from hub.storage.pool import Db, connect

DATASTREAMS = 1_000
EVERY = timedelta(minutes=1)
DAYS = 15  # 20 million readings, less what the slow and the dead do not say
SLOW = 50  # of the datastreams report once a day
DEAD = 50  # have been silent for the last half of the time
ASKED = 60
ASKED_OF_OTHERS = 3  # without SkipScan, which is Community's, DISTINCT ON reads everything
NAME = "stadsnav_bench_latest"

# What a plan may cost us to write: each is asked for the same rows as the hub's own way.
WAYS = {
    "lateral": """
select r.* from unnest($1::int[]) as s (id) cross join lateral (
    select * from reading where datastream_id = s.id order by time desc limit 1) r""",
    "distinct_on": """
select distinct on (datastream_id) * from reading
where datastream_id = any($1::int[]) order by datastream_id, time desc""",
}

FILL = """
insert into reading (datastream_id, time, value, quality, received_at, batch_id)
select s, at, s + extract(hour from at)::float8, 0, at, 1
from generate_series($1::timestamptz, $2::timestamptz - interval '1 s', $3::interval) as at,
     generate_series(1, $4::int) as s
where (s > $5 or extract(hour from at) * 60 + extract(minute from at) = s % 1440)
  and (s <= $4 - $6 or at < $7)
"""


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """Yield a database of our own on the given server, or on an embedded one."""
    given = os.environ.get("STADSNAV_DATABASE_URL")
    if given is None:
        with TemporaryDirectory(prefix="stadsnav-bench-") as folder:
            async with postgres.running(Path(folder) / "data", Path(folder) / "log") as (url, _):
                yield url
        return
    async with connect(given) as db:
        await db.execute(f"drop database if exists {NAME} with (force)")
        await db.execute(f"create database {NAME}")
    yield urlunsplit(urlsplit(given)._replace(path=f"/{NAME}"))
    async with connect(given) as db:
        await db.execute(f"drop database {NAME} with (force)")


async def fill(db: Db, now: datetime) -> int:
    """Write a reading per datastream and minute, a day at a time; return how many there are."""
    since, half = now - timedelta(days=DAYS), now - timedelta(days=DAYS / 2)
    while since < now:
        until = min(since + timedelta(days=1), now)
        await db.execute(FILL, since, until, EVERY, DATASTREAMS, SLOW, DEAD, half)
        since = until
    await db.execute("vacuum analyze reading")
    count: int = await db.fetchval("select count(*) from reading")
    return count


async def timed(ask: Callable[[], Awaitable[int]], times: int = ASKED) -> dict[str, float]:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        found = await ask()
        seconds.append(time.perf_counter() - started)
        if found != DATASTREAMS:
            raise RuntimeError(f"expected {DATASTREAMS} rows, got {found}")
    return summary_ms(seconds)


async def measure(db: Db) -> dict[str, object]:
    streams = list(range(1, DATASTREAMS + 1))

    def question(until: datetime) -> ShapedQuery:
        beginning = datetime(1970, 1, 1, tzinfo=UTC)
        first = min(until, datetime.now(UTC)) - RECENT
        return ShapedQuery(
            streams, [], beginning, until, None, None, None, None, 1, look_first=first
        )

    async def hub(until: datetime) -> int:
        return len(await readings.latest(db, question(until)))

    async def way(sql: str) -> int:
        return len(await db.fetch(sql, streams))

    ever = datetime(9999, 1, 1, tzinfo=UTC)
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    figures: dict[str, object] = {
        "hub": await timed(lambda: hub(ever)),
        "hub_delayed_by_an_hour": await timed(lambda: hub(hour_ago)),
    }
    for name, sql in WAYS.items():
        figures[name] = await timed(partial(way, sql), ASKED_OF_OTHERS)
    return figures


async def main() -> None:
    async with database() as url, connect(url) as db:
        capability = await migrate(db)
        say(f"writing {DAYS} days of {DATASTREAMS} datastreams ({capability})")
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        stored = await fill(db, now)
        say("asking")
        finish("bench.latest", {"database": capability, "readings": stored, **await measure(db)})


if __name__ == "__main__":
    asyncio.run(main())
