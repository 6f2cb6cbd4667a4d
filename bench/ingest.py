"""How many messages per second become durable, beside a loop that stores nothing?

One reading per message, QoS 1. Both subscribers find the same messages waiting at the broker, so
that the publisher does not compete with either; they run in turn, several rounds.
"""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from bench import bare
from bench.hub import PROPERTY, BenchHub, bench_hub
from bench.publishing import Message, Publisher
from bench.report import finish, median, say
from hub.settings import MqttSettings
from hub.storage.ledger import newest_position
from hub.storage.pool import Db, connect

DEVICES = 200
MESSAGES = 60_000
ROUNDS = 3
TIMEOUT_S = 120

# The first batch marks the start of the clock, so its messages do not count.
COMMITTED_AFTER = """
select sum(messages) - (array_agg(messages order by position))[1] as messages,
       extract(epoch from max(committed_at) - min(committed_at))::float8 as seconds
from batch where position > $1
"""


def messages(round_: int) -> Iterator[Message]:
    """Yield messages of 90 bytes, as the native payload has them; no two for the same time."""
    start = datetime.now(UTC) - timedelta(days=round_ + 1)
    for number in range(MESSAGES):
        time = (start + timedelta(milliseconds=number)).isoformat().replace("+00:00", "Z")
        value = 20 + number % 1000 / 100
        yield (
            number % DEVICES,
            f'{{"time": "{time}", "values": {{"{PROPERTY}": {value}}}}}'.encode(),
        )


async def main() -> None:
    async with bench_hub(DEVICES) as hub:
        ours, theirs = [], []
        for round_ in range(ROUNDS):
            await bare.open_session(hub.mqtt_port, bare.CLIENT_ID)
            await bare.open_session(hub.mqtt_port, MqttSettings.model_fields["client_id"].default)
            publisher = Publisher(hub.mqtt_port)
            rate = await asyncio.to_thread(publisher.publish_all, messages(round_))
            publisher.close()
            say(f"round {round_ + 1}: {MESSAGES} messages wait (published at {rate:.0f}/s)")
            theirs.append(await _bare(hub))
            ours.append(await _ingest(hub))
            say(f"round {round_ + 1}: bare loop {theirs[-1]:.0f}/s, durable {ours[-1]:.0f}/s")
        finish(
            "bench.ingest",
            {
                "messages_per_round": MESSAGES,
                "durable_messages_per_s": round(median(ours)),
                "bare_loop_messages_per_s": round(median(theirs)),
                "durable_to_bare": round(
                    median([a / b for a, b in zip(ours, theirs, strict=True)]), 2
                ),
                "stored_exactly_once": await _readings(hub) == MESSAGES * ROUNDS,
            },
        )


async def _bare(hub: BenchHub) -> float:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.bare", str(hub.mqtt_port), str(MESSAGES),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(TIMEOUT_S):
        out, _ = await process.communicate()
    return float(out)


async def _ingest(hub: BenchHub) -> float:
    """Return messages per second between the first commit and the last."""
    async with connect(hub.database_url) as db:
        before, position = await _stored(db), await newest_position(db)
        async with hub.command("ingest"), asyncio.timeout(TIMEOUT_S):
            while await _stored(db) < before + MESSAGES:
                await asyncio.sleep(0.2)
        [(counted, seconds)] = await db.fetch(COMMITTED_AFTER, position)
    return float(counted) / float(seconds)


async def _readings(hub: BenchHub) -> int:
    async with connect(hub.database_url) as db:
        return int(await db.fetchval("select count(*) from reading"))


async def _stored(db: Db) -> int:
    stored = await db.fetchval("select coalesce(sum(stored), 0) from connector")
    return int(stored)


if __name__ == "__main__":
    asyncio.run(main())
