"""How long from a device's publish until others see it, while 1,000 messages/s arrive?

Two ways of seeing: in `latest`, asked again and again, and as a server-sent event. Beside them, in
the same run, how long the broker alone takes to hand a message to a subscriber.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import httpx

from bench.bare import client
from bench.hub import PROPERTY, BenchHub, bench_hub, device_id
from bench.load import payload
from bench.report import finish, say, summary_ms
from hub.embedded.process import Child

DEVICES = 100
RATE = 1_000  # messages per second of background load
SECONDS = 20
WARM_UP_S = 3
PROBE_EVERY_S = 0.05
PROBE_DEVICE = DEVICES  # one more, which nobody else speaks for
TIMEOUT_S = 10
TOPIC = f"v1/devices/{device_id(PROBE_DEVICE)}/readings"


@asynccontextmanager
async def background_load(hub: BenchHub) -> AsyncIterator[None]:
    """Publish at a steady rate from another process."""
    command = [sys.executable, "-m", "bench.load", str(hub.mqtt_port), str(RATE), str(DEVICES)]
    child = Child("load", command, hub.folder / "load.log")
    await child.start()
    try:
        yield
    finally:
        await child.stop()


class Probes:
    """Marked readings: when each was published, and how long until it was seen."""

    def __init__(self, publisher: aiomqtt.Client) -> None:
        self._publisher = publisher
        self._published: dict[float, float] = {}
        self._number = 0
        self.seconds: list[float] = []

    async def send(self) -> float:
        self._number += 1
        mark = float(self._number)
        self._published[mark] = time.perf_counter()
        await self._publisher.publish(TOPIC, payload(mark), qos=1)
        return mark

    def seen(self, mark: float) -> None:
        published = self._published.pop(mark, None)
        if published is not None:
            self.seconds.append(time.perf_counter() - published)


async def by_latest(probes: Probes, hub: BenchHub, http: httpx.AsyncClient) -> list[float]:
    """Publish, then ask `latest` until it shows."""
    stop_at = time.monotonic() + SECONDS
    while time.monotonic() < stop_at:
        mark = await probes.send()
        async with asyncio.timeout(TIMEOUT_S):
            while await _latest(hub, http) != mark:
                pass
        probes.seen(mark)
        await asyncio.sleep(PROBE_EVERY_S)
    return probes.seconds


async def _latest(hub: BenchHub, http: httpx.AsyncClient) -> float | None:
    answer = await http.get(f"{hub.feed_url}/latest", params={"datastream": PROBE_DEVICE + 1})
    rows = answer.raise_for_status().json()["readings"]
    return rows[0]["value"] if rows else None


async def by_stream(probes: Probes, hub: BenchHub, http: httpx.AsyncClient) -> list[float]:
    """Publish, and listen to the feed's stream meanwhile."""

    async def listen() -> None:
        async for row in _stream(hub, http):
            if row["device"] == device_id(PROBE_DEVICE):
                probes.seen(row["value"])

    async with _running(listen()):
        await _send_for_a_while(probes)
    return probes.seconds


async def by_broker(probes: Probes, hub: BenchHub) -> list[float]:
    """Publish, and subscribe to the broker itself meanwhile."""

    async def listen() -> None:
        async with client(hub.mqtt_port, "bench-listener") as subscriber:
            await subscriber.subscribe(TOPIC, qos=1)
            async for message in subscriber.messages:
                probes.seen(float(json.loads(_bytes(message))["values"][PROPERTY]))

    async with _running(listen()):
        await _send_for_a_while(probes)
    return probes.seconds


def _bytes(message: aiomqtt.Message) -> bytes:
    return bytes(message.payload)


async def _send_for_a_while(probes: Probes) -> None:
    await asyncio.sleep(1)
    stop_at = time.monotonic() + SECONDS
    while time.monotonic() < stop_at:
        await probes.send()
        await asyncio.sleep(PROBE_EVERY_S)
    await asyncio.sleep(1)


async def _stream(hub: BenchHub, http: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
    async with http.stream("GET", f"{hub.feed_url}/stream", timeout=None) as answer:
        answer.raise_for_status()
        event = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and event == "readings":
                for row in json.loads(line[6:]):
                    yield row


@asynccontextmanager
async def _running(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work, name="listen")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def main() -> None:
    async with (
        bench_hub(DEVICES + 1) as hub,
        hub.command("ingest"),
        hub.command("api"),
        httpx.AsyncClient(headers={"Authorization": f"Bearer {hub.key}"}) as http,
    ):
        await hub.until_ready()
        await asyncio.sleep(1)
        async with background_load(hub), client(hub.mqtt_port, "bench-probe") as publisher:
            await asyncio.sleep(WARM_UP_S)
            say(f"{RATE} messages/s arrive; publish → latest, for {SECONDS} s")
            latest = await by_latest(Probes(publisher), hub, http)
            say(f"publish → server-sent event, for {SECONDS} s")
            stream = await by_stream(Probes(publisher), hub, http)
            say(f"publish → another MQTT subscriber, for {SECONDS} s")
            broker = await by_broker(Probes(publisher), hub)
        finish(
            "bench.latency",
            {
                "background_messages_per_s": RATE,
                "publish_to_latest": summary_ms(latest),
                "publish_to_event": summary_ms(stream),
                "publish_to_mqtt_subscriber": summary_ms(broker),
            },
        )


if __name__ == "__main__":
    asyncio.run(main())
