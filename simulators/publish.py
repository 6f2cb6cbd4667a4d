"""Let devices talk: each over its own authenticated connection, each on its own topic."""

import asyncio
import json
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime

import aiomqtt

from simulators.city import Device
from simulators.patterns import position, value

QOS = 1
CONNECTS_AT_ONCE = 20
BUFFERED = 1_000  # unsent messages that a device keeps while the broker is away
RECONNECT_FIRST_S = 0.5
RECONNECT_LAST_S = 15.0
REPORT_EVERY_S = 30.0

Tell = Callable[[str], object]


def topic_of(device: str) -> str:
    return f"v1/devices/{device}/readings"


def payload_of(device: Device, time: datetime) -> bytes:
    """Return what a device says at a moment: the hub's native payload."""
    said: dict[str, object] = {
        "time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "values": {name: value(device, name, time) for name in device.properties},
    }
    if device.moving:
        said["position"] = list(position(device, time))
    return json.dumps(said, ensure_ascii=False).encode()


class Progress:
    """What all devices together have done."""

    def __init__(self) -> None:
        self.connected = 0
        self.acknowledged = 0
        self.dropped = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a connection for as long as it lasts."""
        self.connected += 1
        try:
            yield
        finally:
            self.connected -= 1


async def run_city(
    devices: Sequence[Device],
    passwords: Mapping[str, str],
    *,
    host: str,
    port: int,
    rate: float = 1.0,
    tell: Tell = print,
) -> None:
    """Let every device talk until cancelled; `rate` 2 makes them talk twice as often."""
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
    progress = Progress()
    async with asyncio.TaskGroup() as group:
        group.create_task(_report(progress, len(devices), tell), name="report")
        for device in devices:
            talker = _Talker(device, passwords[device.id], host, port, progress)
            group.create_task(talker.observe(device.interval_s / rate), name=f"observe.{device.id}")
            group.create_task(talker.send(gate), name=f"send.{device.id}")


class _Talker:
    """One device: it observes by its clock and sends when it can, in order."""

    def __init__(
        self, device: Device, password: str, host: str, port: int, progress: Progress
    ) -> None:
        self._device = device
        self._password = password
        self._address = host, port
        self._progress = progress
        self._unsent: deque[bytes] = deque()
        self._news = asyncio.Event()

    async def observe(self, interval_s: float) -> None:
        """Observe every `interval_s`; while the broker is away the oldest are dropped at last."""
        await asyncio.sleep(interval_s * random.random())  # devices do not speak in chorus
        while True:
            if len(self._unsent) >= BUFFERED:
                self._unsent.popleft()
                self._progress.dropped += 1
            self._unsent.append(payload_of(self._device, datetime.now(UTC)))
            self._news.set()
            await asyncio.sleep(interval_s)

    async def send(self, gate: asyncio.Semaphore) -> None:
        """Connect, send what there is, wait for more; connect again with jitter when cut off."""
        waited_s = RECONNECT_FIRST_S
        while True:
            try:
                async with AsyncExitStack() as stack:
                    async with gate:  # it guards connecting alone
                        client = await stack.enter_async_context(
                            connection(self._device.id, self._password, *self._address)
                        )
                    stack.enter_context(self._progress.one_more())
                    waited_s = RECONNECT_FIRST_S
                    await self._send_all(client)
            except aiomqtt.MqttError:
                await asyncio.sleep(waited_s * random.uniform(0.5, 1.5))
                waited_s = min(waited_s * 2, RECONNECT_LAST_S)

    async def _send_all(self, client: aiomqtt.Client) -> None:
        while True:
            while self._unsent:
                await client.publish(topic_of(self._device.id), self._unsent[0], qos=QOS)
                self._unsent.popleft()  # only now: the broker has acknowledged it
                self._progress.acknowledged += 1
            self._news.clear()
            await self._news.wait()


def connection(device: str, password: str, host: str, port: int) -> aiomqtt.Client:
    """Return a device's own connection: user name and client id are the device's id."""
    return aiomqtt.Client(host, port, username=device, password=password, identifier=device)


async def send_once(device: str, password: str, payload: bytes, *, host: str, port: int) -> None:
    """Publish one message and wait for the broker's acknowledgement. Raises aiomqtt.MqttError."""
    async with connection(device, password, host, port) as client:
        await client.publish(topic_of(device), payload, qos=QOS)


async def _report(progress: Progress, devices: int, tell: Tell) -> None:
    while progress.connected < devices:
        await asyncio.sleep(0.2)
    tell(f"{devices} devices connected")
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        tell(
            f"{progress.connected} devices connected, {progress.acknowledged} messages "
            f"acknowledged, {progress.dropped} dropped while away"
        )
