"""How fast are the three questions that everybody asks: latest, one day raw, 30 days by the hour?

Over HTTP, whole answers read; beside each, in the same run, the bare query for the same rows.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import httpx

from bench.hub import BenchHub, bench_hub
from bench.report import finish, say, summary_ms
from hub.domain.intake import Batch
from hub.domain.sensing import Reading
from hub.storage.ledger import ensure_connector, write_batch
from hub.storage.pool import Db, connect

DATASTREAMS = 100
DAYS = 30
EVERY = timedelta(minutes=1)
BATCH = 50_000
ASKED = 200

LATEST = """
select r.* from generate_series(1, $1::int) as s (id) cross join lateral (
    select * from reading where datastream_id = s.id order by time desc limit 1) r
"""
ONE_DAY = (
    "select * from reading where datastream_id = $1 and time >= $2 and time < $3 order by time"
)
HOURLY = """
select date_bin('1 hour', time, '2001-01-01 00:00Z'), count(*), avg(value), min(value), max(value)
from reading where datastream_id = $1 and time >= $2 and time < $3 group by 1 order by 1
"""


def seeded(now: datetime) -> Iterator[Reading]:
    """Yield a reading per datastream and minute, oldest first."""
    for step in range(int(timedelta(days=DAYS) / EVERY), 0, -1):
        time_ = now - step * EVERY
        for stream in range(1, DATASTREAMS + 1):
            yield Reading(stream, time_, step % 1000 / 10, None, 0, now, None, None)


async def seed(db: Db, now: datetime) -> int:
    await ensure_connector(db, "bench")
    readings, stored = seeded(now), 0
    while batch := list(islice(readings, BATCH)):
        outcome = await write_batch(db, Batch("bench", len(batch), batch))
        stored += outcome.stored
    await db.execute("vacuum analyze reading")
    return stored


async def timed(ask: Callable[[int], Awaitable[int]], rows: int) -> list[float]:
    """Return the seconds of each of many answers; every answer must have `rows` rows."""
    seconds = []
    for number in range(ASKED):
        started = time.perf_counter()
        found = await ask(number)
        seconds.append(time.perf_counter() - started)
        if found != rows:
            raise RuntimeError(f"expected {rows} rows, got {found}")
    return seconds


async def measure(
    hub: BenchHub, db: Db, http: httpx.AsyncClient, now: datetime
) -> dict[str, object]:
    day, month = now - timedelta(days=1), now - timedelta(days=DAYS)
    hours = DAYS * 24

    async def get(path: str, **params: str | int) -> int:
        answer = await http.get(f"{hub.feed_url}/{path}", params=params)
        return len(answer.raise_for_status().json()["readings"])

    def stream(number: int) -> int:
        return number % DATASTREAMS + 1

    async def history(number: int, since: datetime, resolution: str) -> int:
        return await get(
            "readings", datastream=stream(number), limit=50_000, resolution=resolution,
            **{"from": since.isoformat(), "to": now.isoformat()},
        )  # fmt: skip

    async def bare(sql: str, *arguments: object) -> int:
        return len(await db.fetch(sql, *arguments))

    return {
        f"latest_of_{DATASTREAMS}": summary_ms(await timed(lambda _: get("latest"), DATASTREAMS)),
        f"latest_of_{DATASTREAMS}_bare": summary_ms(
            await timed(lambda _: bare(LATEST, DATASTREAMS), DATASTREAMS)
        ),
        "one_day_raw": summary_ms(await timed(lambda n: history(n, day, "raw"), 1440)),
        "one_day_raw_bare": summary_ms(
            await timed(lambda n: bare(ONE_DAY, stream(n), day, now), 1440)
        ),
        "30_days_hourly": summary_ms(await timed(lambda n: history(n, month, "PT1H"), hours)),
        "30_days_hourly_bare": summary_ms(
            await timed(lambda n: bare(HOURLY, stream(n), month, now), hours)
        ),
    }


async def main() -> None:
    async with bench_hub(DATASTREAMS) as hub, connect(hub.database_url) as db:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        say(f"writing {DAYS} days of {DATASTREAMS} datastreams, a reading a minute")
        stored = await seed(db, now)
        async with (
            hub.command("api"),
            httpx.AsyncClient(headers={"Authorization": f"Bearer {hub.key}"}) as http,
        ):
            await hub.until_ready()
            say(f"asking each question {ASKED} times")
            finish("bench.read", {"readings": stored, **await measure(hub, db, http, now)})


if __name__ == "__main__":
    asyncio.run(main())
