"""Does ingest stay small when a million messages wait, and is every dropped message counted?

First a million QoS 1 messages wait at the broker for ingest's session: how large does the process
become while it takes them in, the database standing still for some seconds on the way, and is each
stored once? Then QoS 0, which nobody holds back, while the database stands still, and while ingest
itself does: what the hub drops, it must count.

`python -m bench.backlog [--messages 1000000] [--json]`
"""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from bench import bare
from bench.hub import BenchHub, bench_hub
from bench.payloads import SINGLE, long_ago
from bench.publishing import Publisher
from bench.report import finish, say
from hub.embedded.process import Child
from hub.settings import MqttSettings
from hub.storage.pool import Db, connect

DEVICES = 200
QOS0_MESSAGES = 200_000
TIMEOUT_S = 600
STANDS_S = 5.0
LIMIT_MB = 200
OURS = MqttSettings.model_fields["client_id"].default
BROKER_DROPPED = "$SYS/broker/publish/messages/dropped"

RATE = """
select sum(messages) / extract(epoch from max(committed_at) - min(committed_at))::float8 from batch
"""
TOTALS = "select messages, stored, duplicates, rejected from connector"


async def waiting_million(hub: BenchHub, count: int) -> dict[str, object]:
    """Let them wait, then start ingest and watch its memory."""
    await bare.open_session(hub.mqtt_port, OURS)
    with Publisher(hub.mqtt_port) as publisher:
        messages = SINGLE.messages(count, DEVICES, long_ago(1))
        rate = await asyncio.to_thread(publisher.publish_all, messages)
    say(f"{count} messages wait (published at {rate:.0f}/s); ingest starts")
    async with connect(hub.database_url) as db, hub.command("ingest") as child:
        await _until(lambda: _have_received(db, count // 20))
        async with standing_still(_own(hub)):
            await asyncio.sleep(STANDS_S)
        await _until(lambda: _have_received(db, count))
        peak = peak_mb(child)
        per_s = await db.fetchval(RATE)
        messages_, stored, duplicates, rejected = await db.fetchrow(TOTALS) or (0, 0, 0, 0)
    return {
        "messages_waiting": count,
        "ingest_peak_mb": peak,
        "below_200_mb": peak < LIMIT_MB,
        "broker_peak_mb": peak_mb(hub.broker),
        "durable_messages_per_s": round(per_s),
        "stored": stored,
        "lost": count - messages_,
        "twice_or_rejected": duplicates + rejected,
    }


async def qos0_overflow(hub: BenchHub, *, who: str, day: int) -> dict[str, object]:
    """Publish at QoS 0 while database or ingest stand still; all must be accounted for."""
    async with connect(hub.database_url) as db:
        await db.execute("delete from ingest_process")  # what the last one said is not about ours
    async with (
        connect(hub.database_url) as db,
        hub.command("ingest") as ingest,
        _broker_dropped(hub) as dropped_by_broker,
    ):
        before = await _received(db)
        await _until(lambda: _is_connected(db))
        async with standing_still(_own(hub) if who == "database" else ingest):
            with Publisher(hub.mqtt_port) as publisher:
                messages = SINGLE.messages(QOS0_MESSAGES, DEVICES, long_ago(day))
                rate = await asyncio.to_thread(publisher.publish_all, messages, 0)
                say(f"{QOS0_MESSAGES} QoS 0 messages at {rate:.0f}/s while {who} stands still")
            await asyncio.sleep(STANDS_S)
        await _until_quiet(lambda: _accounted(db))
        stored, dropped = await _received(db) - before, await _dropped(db)
        peak = peak_mb(ingest)
    return {
        f"qos0_{who}_stood_sent": QOS0_MESSAGES,
        f"qos0_{who}_stood_stored": stored,
        f"qos0_{who}_stood_dropped_and_counted": dropped,
        f"qos0_{who}_stood_dropped_by_broker": dropped_by_broker[0],
        f"qos0_{who}_stood_unaccounted": QOS0_MESSAGES - stored - dropped - dropped_by_broker[0],
        f"qos0_{who}_stood_peak_mb": peak,
    }


@asynccontextmanager
async def standing_still(child: Child) -> AsyncIterator[None]:
    """Stop a process and its children as they are, and let them go on after the block.

    The parent first: a PostgreSQL backend that is not there yet would not be stopped.
    """
    stopped: list[int] = []
    try:
        for pid in _family(child):
            os.kill(pid, signal.SIGSTOP)
            stopped.append(pid)
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def _family(parent: Child) -> Iterator[int]:
    """Yield the process, then its children."""
    if parent.pid is None:
        return
    yield parent.pid
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    yield from map(int, children.read_text("ascii").split())


def peak_mb(child: Child) -> float:
    """Return the largest resident size that the process ever had, as the kernel kept it."""
    status = Path(f"/proc/{child.pid}/status").read_text("ascii")
    [kilobytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return round(int(kilobytes) / 1024, 1)


@asynccontextmanager
async def _broker_dropped(hub: BenchHub) -> AsyncIterator[list[int]]:
    """Follow how many messages Mosquitto says that it dropped since the block began."""
    counted = [0]

    async def follow() -> None:
        first: int | None = None
        async with bare.client(hub.mqtt_port, "bench-watch") as watcher:
            await watcher.subscribe(BROKER_DROPPED)
            async for message in watcher.messages:
                now = int(_bytes(message))
                first = now if first is None else first
                counted[0] = now - first

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow(), name="watch")
        yield counted
        task.cancel()


def _bytes(message: aiomqtt.Message) -> bytes:
    return bytes(message.payload)


async def _received(db: Db) -> int:
    return int(await db.fetchval("select coalesce(sum(received), 0) from connector"))


async def _have_received(db: Db, count: int) -> bool:
    return await _received(db) >= count


async def _dropped(db: Db) -> int:
    return int(await db.fetchval("select coalesce(max(qos0_dropped), 0) from ingest_process"))


async def _is_connected(db: Db) -> bool:
    return bool(await db.fetchval("select bool_or(connected) from ingest_process"))


async def _accounted(db: Db) -> tuple[int, int]:
    return await _received(db), await _dropped(db)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():
            await asyncio.sleep(0.2)


async def _until_quiet(look: Callable[[], Awaitable[tuple[int, int]]]) -> None:
    """Wait until nothing has changed for longer than ingest and broker take between reports."""
    quiet_s, last = 0, await look()
    while quiet_s < QUIET_S:
        await asyncio.sleep(1)
        now = await look()
        quiet_s, last = (quiet_s + 1, last) if now == last else (0, now)


QUIET_S = 13  # ingest reports every 5 s, Mosquitto every 10 s


def _own(hub: BenchHub) -> Child:
    """Return the hub's database, which is an embedded one here."""
    if hub.database is None:
        raise ValueError("only an embedded database can be stopped")
    return hub.database


async def main(count: int) -> None:
    async with bench_hub(DEVICES) as hub:
        figures = await waiting_million(hub, count)
        figures |= await qos0_overflow(hub, who="database", day=2)
        figures |= await qos0_overflow(hub, who="ingest", day=3)
        finish("bench.backlog", figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    asyncio.run(main(parser.parse_args().messages))
