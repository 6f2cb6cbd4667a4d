"""How fast do messages become durable, beside the least and the most that others do?

Every subscriber finds its messages waiting at the broker, so that the publisher competes with
none; they run in turn, several rounds. QoS 1.

One reading per message beside (a) a loop that receives, decodes and acknowledges but stores
nothing, and (b) the way of the tutorials, one INSERT and commit per message. Fifty readings per
message beside (c) a bare binary COPY of the same rows. Then two ingest processes on a shared
subscription beside one.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from bench import bare, tutorial
from bench.hub import BenchHub, bench_hub
from bench.payloads import LONG, PROPERTIES, SINGLE, WIDE, Shape, long_ago
from bench.publishing import Publisher
from bench.report import finish, median, say
from hub.settings import IngestSettings, MqttSettings
from hub.storage.ledger import newest_position
from hub.storage.pool import Db, connect

DEVICES = 200
MESSAGES = 60_000
TUTORIAL_MESSAGES = 5_000
FULL_MESSAGES = 6_000  # of fifty readings
SHARED_MESSAGES = 120_000
ROUNDS = 3
TIMEOUT_S = 120

OURS = MqttSettings.model_fields["client_id"].default
MAX_BATCH = IngestSettings().max_batch  # as ingest itself reads it
SHARED_TOPIC = f"$share/stadsnav/{bare.TOPIC}"
SHARED_IDS = ("bench-first", "bench-second")

# The first batch marks the start of the clock, so what it holds does not count.
COMMITTED_AFTER = """
select sum(messages) - (array_agg(messages order by position))[1] as messages,
       sum(stored) - (array_agg(stored order by position))[1] as stored,
       extract(epoch from max(committed_at) - min(committed_at))::float8 as seconds,
       min(id) as first_batch
from batch where position > $1
"""
TOTALS = "select messages, stored, duplicates, rejected from connector"


@dataclass(frozen=True, slots=True)
class Run:
    """What ingest did between its first commit and its last."""

    messages_per_s: float
    readings_per_s: float
    first_batch: int


@dataclass(slots=True)
class Totals:
    """What was sent, to compare with what the ledger says."""

    messages: int = 0
    readings: int = 0

    async def agree(self, hub: BenchHub) -> bool:
        """Tell whether every message was taken once and every reading stored once."""
        async with connect(hub.database_url) as db:
            ledger = tuple(await db.fetchrow(TOTALS) or ())
            rows = await db.fetchval("select count(*) from reading")
        return ledger == (self.messages, self.readings, 0, 0) and rows == self.readings


@dataclass(slots=True)
class Bench:
    """The hub, what was sent to it, and the days that rounds have used."""

    hub: BenchHub
    sent: Totals = field(default_factory=Totals)
    days: int = 0

    async def publish(self, shape: Shape, count: int, *sessions: str, topic: str) -> None:
        """Let messages wait at the broker for each of these sessions."""
        for client_id in sessions:
            await bare.open_session(self.hub.mqtt_port, client_id, topic)
        self.days += 1
        messages = shape.messages(count, DEVICES, long_ago(self.days))
        with Publisher(self.hub.mqtt_port) as publisher:
            await asyncio.to_thread(publisher.publish_all, messages)

    async def forget(self, *sessions: str) -> None:
        for client_id in sessions:
            await bare.end_session(self.hub.mqtt_port, client_id)

    async def ingest(self, shape: Shape, count: int, *client_ids: str, topic: str) -> Run:
        """Run ingest, a process per client id, until all of it is stored."""
        self.sent.messages += count
        self.sent.readings += count * shape.readings
        async with connect(self.hub.database_url) as db:
            position = await newest_position(db)
            async with AsyncExitStack() as stack, asyncio.timeout(TIMEOUT_S):
                for client_id in client_ids:
                    env = {"STADSNAV_MQTT_CLIENT_ID": client_id, "STADSNAV_MQTT_TOPIC": topic}
                    await stack.enter_async_context(self.hub.command("ingest", **env))
                while await _received(db) < self.sent.readings:
                    await asyncio.sleep(0.2)
            row = await db.fetchrow(COMMITTED_AFTER, position)
        messages, stored, seconds, first_batch = row or (0, 0, 1.0, 0)
        return Run(messages / seconds, stored / seconds, first_batch)


async def _received(db: Db) -> int:
    return int(await db.fetchval("select coalesce(sum(received), 0) from connector"))


async def _process(module: str, *arguments: object) -> float:
    """Run a module of ours that prints one number."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(TIMEOUT_S):
        out, _ = await process.communicate()
    return float(out)


async def one_reading(bench: Bench) -> dict[str, object]:
    """Compare with the bare loop and with the tutorial way."""
    ours, theirs = [], []
    for round_ in range(1, ROUNDS + 1):
        await bench.publish(SINGLE, MESSAGES, bare.CLIENT_ID, OURS, topic=bare.TOPIC)
        theirs.append(await _process("bench.bare", bench.hub.mqtt_port, MESSAGES))
        run = await bench.ingest(SINGLE, MESSAGES, OURS, topic=bare.TOPIC)
        ours.append(run.messages_per_s)
        say(f"round {round_}: bare loop {theirs[-1]:.0f}/s, durable {ours[-1]:.0f}/s")
    await bench.forget(bare.CLIENT_ID, OURS)
    await bench.publish(SINGLE, TUTORIAL_MESSAGES, tutorial.CLIENT_ID, topic=bare.TOPIC)
    tutorial_rate = await _process(
        "bench.tutorial", bench.hub.mqtt_port, bench.hub.database_url, TUTORIAL_MESSAGES
    )
    await bench.forget(tutorial.CLIENT_ID)
    say(f"one INSERT and commit per message: {tutorial_rate:.0f}/s")
    return {
        "messages_per_round": MESSAGES,
        "durable_messages_per_s": round(median(ours)),
        "bare_loop_messages_per_s": round(median(theirs)),
        "durable_to_bare": _ratio(ours, theirs),
        "tutorial_messages_per_s": round(tutorial_rate),
        "durable_to_tutorial": round(median(ours) / tutorial_rate, 1),
    }


async def many_readings(bench: Bench, shape: Shape, name: str) -> dict[str, object]:
    """Compare with a bare COPY of the same rows."""
    ours, theirs = [], []
    for round_ in range(1, ROUNDS + 1):
        await bench.publish(shape, FULL_MESSAGES, OURS, topic=bare.TOPIC)
        run = await bench.ingest(shape, FULL_MESSAGES, OURS, topic=bare.TOPIC)
        ours.append(run.readings_per_s)
        theirs.append(
            await _process("bench.copying", bench.hub.database_url, run.first_batch, MAX_BATCH)
        )
        say(
            f"{shape.name}, round {round_}: bare COPY {theirs[-1]:.0f} rows/s, durable "
            f"{ours[-1]:.0f} readings/s"
        )
    await bench.forget(OURS)
    return {
        f"{name}_durable_readings_per_s": round(median(ours)),
        f"{name}_bare_copy_rows_per_s": round(median(theirs)),
        f"{name}_durable_to_copy": _ratio(ours, theirs),
    }


async def two_processes(bench: Bench) -> dict[str, object]:
    """Compare two processes on a shared subscription with one."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for round_ in range(1, ROUNDS):
        for count in (1, 2):
            ids = SHARED_IDS[:count]
            await bench.publish(SINGLE, SHARED_MESSAGES, *ids, topic=SHARED_TOPIC)
            run = await bench.ingest(SINGLE, SHARED_MESSAGES, *ids, topic=SHARED_TOPIC)
            rates[count].append(run.messages_per_s)
            await bench.forget(*ids)
        say(
            f"shared subscription, round {round_}: one process {rates[1][-1]:.0f}/s, "
            f"two {rates[2][-1]:.0f}/s"
        )
    return {
        "one_process_messages_per_s": round(median(rates[1])),
        "two_processes_messages_per_s": round(median(rates[2])),
        "scaling_factor": _ratio(rates[2], rates[1]),
        "shared_by": f"broker, database and both on {os.cpu_count()} cores",
    }


def _ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios: noise that a round has meets both in it."""
    return round(median([a / b for a, b in zip(ours, theirs, strict=True)]), 2)


async def main() -> None:
    async with bench_hub(DEVICES, PROPERTIES) as hub:
        bench = Bench(hub)
        figures = await one_reading(bench)
        figures |= {"readings_per_message": WIDE.readings}
        figures |= await many_readings(bench, WIDE, "wide")
        figures |= await many_readings(bench, LONG, "long")
        figures |= await two_processes(bench)
        finish("bench.ingest", {**figures, "stored_exactly_once": await bench.sent.agree(hub)})


if __name__ == "__main__":
    asyncio.run(main())
