"""Does the rate of ingest depend on how much is stored already?

Two hubs stand side by side, each with a database and a broker of its own: one is filled, the other
begins empty. Rounds take turns, so that noise meets both; only one of them works at a time. Fifty
readings per message, which makes the database the slower part.

`python -m bench.growth [--millions 5] [--json]`. Fifty millions take nine gigabytes below TMPDIR
and about ten minutes.
"""

import argparse
import asyncio
import shutil
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta

from bench import bare
from bench.hub import BenchHub, bench_hub
from bench.ingest import COMMITTED_AFTER, OURS
from bench.payloads import PROPERTIES, WIDE, long_ago
from bench.publishing import Publisher
from bench.report import finish, median, say
from hub.storage.capabilities import Capability, detect
from hub.storage.ledger import newest_position
from hub.storage.pool import Db, connect

DEVICES = 20  # of fifty properties: a thousand datastreams
STREAMS = DEVICES * len(PROPERTIES)
MILLION = 1_000_000
MESSAGES = 6_000
ROUNDS = 6
TIMEOUT_S = 120
TOLD_EVERY = 5  # millions
BYTES_PER_READING = 180  # row, two indexes and the WAL of the moment, generously
EVERY = timedelta(seconds=10)  # a reading of every datastream

# In the order of time, as they would have come; a ledger row per two thousand readings.
FILL = """
with batches as (
    select n, nextval('batch_id') as id, nextval('batch_position') as position
    from generate_series(1, $3::int * $4::int / 2000) as n
), accounted as (
    insert into batch
    select position, id, 'mqtt', 40, 2000, 2000, 0, 0, 0, $1, $1, clock_timestamp() from batches
)
insert into reading (datastream_id, time, value, quality, received_at, batch_id)
select s, $1::timestamptz + step * $2::interval, 20 + (s + step) % 1000 / 100.0, 0,
       $1::timestamptz + step * $2::interval,
       (select min(id) from batches) + (step * $4::int + s - 1) / 2000
from generate_series(0, $3::int - 1) as step, generate_series(1, $4::int) as s
order by step, s
"""
SIZE = "select pg_total_relation_size('reading')"
CHUNKS_SIZE = "select hypertable_size('reading')"


async def fill(hub: BenchHub, millions: int) -> None:
    """Store so many million readings that end where the rounds begin."""
    per_step = MILLION // STREAMS
    async with connect(hub.database_url) as db:
        await db.execute("insert into connector (id) values ('mqtt') on conflict do nothing")
        first = long_ago(ROUNDS + 1) - millions * per_step * EVERY
        for done in range(millions):
            start: datetime = first + done * per_step * EVERY
            await db.execute(FILL, start, EVERY, per_step, STREAMS)
            if (done + 1) % TOLD_EVERY == 0 or done + 1 == millions:
                say(f"{done + 1} million stored")
        say("settling: vacuum and checkpoint")
        await db.execute("vacuum analyze")
        await db.execute("checkpoint")


async def one_round(hub: BenchHub, round_: int) -> float:
    """Return readings per second."""
    await bare.open_session(hub.mqtt_port, OURS)
    with Publisher(hub.mqtt_port) as publisher:
        messages = WIDE.messages(MESSAGES, DEVICES, long_ago(ROUNDS - round_))
        await asyncio.to_thread(publisher.publish_all, messages)
    async with connect(hub.database_url) as db:
        position, wanted = await newest_position(db), await _stored(db) + MESSAGES * WIDE.readings
        async with hub.command("ingest"), asyncio.timeout(TIMEOUT_S):
            while await _stored(db) < wanted:
                await asyncio.sleep(0.2)
        row = await db.fetchrow(COMMITTED_AFTER, position)
        await db.execute("checkpoint")
    _, stored, seconds, _ = row or (0, 0, 1.0, 0)
    return float(stored / seconds)


async def _stored(db: Db) -> int:
    return int(await db.fetchval("select coalesce(sum(stored), 0) from connector"))


@dataclass(frozen=True, slots=True)
class Sizes:
    readings: int
    gigabytes: float

    @classmethod
    async def of(cls, hub: BenchHub) -> "Sizes":
        async with connect(hub.database_url) as db:
            readings = await db.fetchval("select count(*) from reading")
            plain = await detect(db) is Capability.PLAIN
            size = await db.fetchval(SIZE if plain else CHUNKS_SIZE)
        return cls(readings, round(size / 1e9, 2))


def check_room(millions: int) -> None:
    """Raise SystemExit when the disk has no room for so much."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    needed = (millions + 10) * MILLION * BYTES_PER_READING
    if free < needed:
        raise SystemExit(
            f"{millions} million readings need {needed / 1e9:.0f} GB in {tempfile.gettempdir()}, "
            f"where {free / 1e9:.0f} GB are free: set TMPDIR, or give fewer --millions"
        )


async def main(millions: int, server: str | None) -> None:
    check_room(millions)
    async with (
        bench_hub(DEVICES, PROPERTIES, server) as full,
        bench_hub(DEVICES, PROPERTIES, server) as empty,
    ):
        async with connect(full.database_url) as db:
            capability = await detect(db)
        await fill(full, millions)
        before = await Sizes.of(full)
        rates: dict[str, list[float]] = {"full": [], "empty": []}
        for round_ in range(ROUNDS):
            for name, hub in _in_turn(round_, full, empty):
                rates[name].append(await one_round(hub, round_))
            say(
                f"round {round_ + 1}: {before.readings / MILLION:.0f} million stored "
                f"{rates['full'][-1]:.0f}/s, none {rates['empty'][-1]:.0f}/s"
            )
        ratios = [a / b for a, b in zip(rates["full"], rates["empty"], strict=True)]
        finish(
            "bench.growth",
            {
                "store": capability,
                "stored_readings": before.readings,
                "stored_gigabytes": before.gigabytes,
                "readings_per_s_when_stored": round(median(rates["full"])),
                "readings_per_s_when_empty": round(median(rates["empty"])),
                "stored_to_empty": round(median(ratios), 2),
                "of_rounds": [round(ratio, 2) for ratio in ratios],
            },
        )


def _in_turn(round_: int, full: BenchHub, empty: BenchHub) -> list[tuple[str, BenchHub]]:
    both = [("full", full), ("empty", empty)]
    return both if round_ % 2 else both[::-1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--millions", type=int, default=5, help="readings to store beforehand")
    parser.add_argument("--server", help="make both databases here, such as on a TimescaleDB")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.millions, arguments.server))
