"""Where do the microseconds of a message go, inside one ingest process under full load?

The real command, sampled by its own CPU time: see `bench.sampled`. A sample belongs to the
innermost function of its stack that a step names. Each shape of message is a table of its own.
"""

import asyncio
import json
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bench import bare
from bench.hub import BenchHub, bench_hub, until
from bench.payloads import LONG, PROPERTIES, SINGLE, WIDE, Shape, long_ago
from bench.publishing import Publisher
from bench.report import finish, say
from hub.settings import MqttSettings
from hub.storage.pool import Db, connect

DEVICES = 200
READINGS = {SINGLE: 150_000, WIDE: 1_000_000, LONG: 1_000_000}
WARM_UP = 0.1  # of the messages: until then nothing is sampled, nor after the same before the end
TIMEOUT_S = 120
OURS = MqttSettings.model_fields["client_id"].default

WAITING = "waiting for database, broker or a core"
ELSE = "event loop and the rest"
# In the order of a message's way. A file and function that both end so; a file alone where any.
STEPS = {
    "receive": [("paho/mqtt/client.py", "Client.loop_read"), ("connectors/mqtt.py", "_read")],
    "delivery": [("connectors/mqtt.py", "")],
    "decode": [("connectors/native/decoder.py", "")],
    "accept": [("hub/ingest/acceptance.py", ""), ("hub/ingest/examining.py", "")],
    "device's share": [("hub/ingest/conduct.py", "")],
    "queue and batch": [("hub/ingest/batching.py", ""), ("hub/ingest/pipeline.py", "")],
    "who wants receipts": [("hub/ingest/receipts.py", "")],
    "encode COPY": [("bench/sampled.py", ""), ("asyncpg/connection.py", "copy_records_to_table")],
    "the rest of the commit": [("hub/storage/ledger.py", "")],
    "acknowledge": [
        ("connectors/mqtt.py", "acknowledge"),
        ("connectors/mqtt.py", "_send_acknowledgements"),
        ("paho/mqtt/client.py", "Client.loop_write"),
    ],
}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a process did while `messages` became durable."""

    messages: int
    wall_s: float
    cpu_s: float
    samples: Counter[str]

    def microseconds(self) -> dict[str, float]:
        """Return µs per message by step; together they are the wall time of a message."""
        per_sample = self.cpu_s / self.samples.total()
        seconds = {step: self.samples[step] * per_sample for step in (*STEPS, ELSE)}
        seconds[WAITING] = max(0.0, self.wall_s - self.cpu_s)
        return {step: round(s / self.messages * 1e6, 1) for step, s in seconds.items()}


def step_of(stack: list[tuple[str, str]]) -> str:
    """Return the step that the innermost function with a step belongs to."""
    for file, function in stack:
        fitting = [
            (len(name), step)
            for step, places in STEPS.items()
            for ending, name in places
            if file.endswith(ending) and function.endswith(name)
        ]
        if fitting:
            return max(fitting)[1]  # the longer name says more
    return ELSE


async def profile(hub: BenchHub, shape: Shape, round_: int) -> Profile:
    """Let messages of this shape wait at the broker, then sample ingest while it takes them."""
    count = READINGS[shape] // shape.readings
    await bare.open_session(hub.mqtt_port, OURS)
    with Publisher(hub.mqtt_port) as publisher:
        messages = shape.messages(count, DEVICES, long_ago(round_))
        await asyncio.to_thread(publisher.publish_all, messages)
    file = hub.folder / f"samples-{round_}.json"
    async with connect(hub.database_url) as db, hub.module("bench.sampled", str(file)) as child:
        before = await _messages(db)
        first = await _when(db, before + int(count * WARM_UP))
        child.signal(signal.SIGUSR1)
        last = await _when(db, before + int(count * (1 - WARM_UP)))
        child.signal(signal.SIGUSR2)
        await until(file.exists)
        await _when(db, before + count)
    return _read(file, last - first)


async def _messages(db: Db) -> int:
    return int(await db.fetchval("select coalesce(sum(messages), 0) from connector"))


async def _when(db: Db, count: int) -> int:
    """Wait until so many messages are stored; return how many are."""
    async with asyncio.timeout(TIMEOUT_S):
        while (stored := await _messages(db)) < count:
            await asyncio.sleep(0.02)
    return stored


def _read(file: Path, messages: int) -> Profile:

    taken = json.loads(file.read_text())
    samples: Counter[str] = Counter()
    for stack, count in taken["stacks"]:
        samples[step_of(stack)] += count
    return Profile(messages, taken["wall_s"], taken["cpu_s"], samples)


async def main() -> None:
    figures: dict[str, object] = {}
    async with bench_hub(DEVICES, PROPERTIES) as hub:
        for round_, shape in enumerate(READINGS, 1):
            say(f"{shape.name} per message")
            found = await profile(hub, shape, round_)
            steps = found.microseconds()
            figures[shape.name] = steps | {
                "together": round(found.wall_s / found.messages * 1e6, 1),
                "samples": found.samples.total(),
            }
            if "--json" not in sys.argv[1:]:
                _print(shape, steps)
    finish("bench.profile", figures)


def _print(shape: Shape, steps: dict[str, float]) -> None:
    print(f"µs per message, {shape.name}")
    together = sum(steps.values())
    for step, us in steps.items():
        print(f"  {step:<40} {us:8.1f} {us / together:6.0%}")
    print(f"  {'together':<40} {together:8.1f}")


if __name__ == "__main__":
    asyncio.run(main())
