"""Let devices talk: each over its own authenticated connection, each on its own topic."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import aiomqtt

from simulators.city import Device
from simulators.patterns import position, value
from simulators.progress import Backlog, Progress
from simulators.tls import Tls

QOS = 1
CONNECTS_AT_ONCE = 20
BUFFERED = 1_000  # unsent messages that a device keeps while the broker is away
RECONNECT_FIRST_S = 0.5
RECONNECT_LAST_S = 15.0
REPORT_EVERY_S = 30.0

BrokerError = aiomqtt.MqttError  # for those who catch it without speaking MQTT themselves

Tell = Callable[[str], object]


def topic_of(device: str) -> str:
    return f"v1/devices/{device}/readings"


def payload_of(device: Device, time: datetime) -> bytes:
    """Return what a device says at a moment, to the millisecond: the hub's native payload."""
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)
    said: dict[str, object] = {
        "time": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "values": {name: value(device, name, time) for name in device.properties},
    }
    if device.moving:
        said["position"] = list(position(device, time))
    return json.dumps(said, ensure_ascii=False).encode()


async def run_city(
    devices: Sequence[Device],
    passwords: Mapping[str, str],
    *,
    host: str,
    port: int,
    tls: Tls | None = None,
    rate: float = 1.0,
    tell: Tell = print,
) -> None:
    """Let every device talk until cancelled; `rate` 2 makes them talk twice as often.

    Raises ValueError when a device has neither password nor certificate. A broker that is away, or
    refuses a device, is told once and tried again.
    """
    if without := [d.id for d in devices if d.id not in passwords and not (tls and tls.has(d.id))]:
        raise ValueError(f"no password for {', '.join(without[:5])}")
    gate = asyncio.Semaphore(CONNECTS_AT_ONCE)
    progress = Progress(len(devices), tell)
    async with asyncio.TaskGroup() as group:
        group.create_task(_report(progress, tell), name="report")
        for device in devices:
            talker = _Talker(device, passwords.get(device.id), host, port, progress, tls=tls)
            group.create_task(talker.observe(device.interval_s / rate), name=f"observe.{device.id}")
            group.create_task(talker.send(gate), name=f"send.{device.id}")


class _Talker:
    """One device: it observes by its clock and sends when it can, in order."""

    def __init__(
        self,
        device: Device,
        password: str | None,
        host: str,
        port: int,
        progress: Progress,
        *,
        tls: Tls | None = None,
    ) -> None:
        self._device = device
        self._password = password
        self._address = host, port
        self._tls = tls
        self._progress = progress
        self._unsent = Backlog(BUFFERED, progress)

    async def observe(self, interval_s: float) -> None:
        """Observe every `interval_s`; while the broker is away the oldest are dropped at last."""
        await asyncio.sleep(interval_s * random.random())  # devices do not speak in chorus
        while True:
            self._unsent.add(payload_of(self._device, datetime.now(UTC)))
            await asyncio.sleep(interval_s)

    async def send(self, gate: asyncio.Semaphore) -> None:
        """Connect, send what there is, wait for more; connect again with jitter when cut off."""
        waited_s = RECONNECT_FIRST_S
        while True:
            try:
                async with AsyncExitStack() as stack:
                    async with gate:  # it guards connecting alone
                        client = await stack.enter_async_context(
                            connection(
                                self._device.id, self._password, *self._address, tls=self._tls
                            )
                        )
                    stack.enter_context(self._progress.one_more())
                    waited_s = RECONNECT_FIRST_S
                    await self._send_all(client)
            except (aiomqtt.MqttError, OSError) as error:  # OSError: its certificate, half-written
                _end_if_cancelled()
                self._progress.failed(self._device.id, error)
                await asyncio.sleep(waited_s * random.uniform(0.5, 1.5))
                waited_s = min(waited_s * 2, RECONNECT_LAST_S)

    async def _send_all(self, client: aiomqtt.Client) -> None:
        while True:
            _end_if_cancelled()
            message = await self._unsent.oldest()
            try:
                await client.publish(topic_of(self._device.id), message, qos=QOS)
            except aiomqtt.MqttError:
                self._unsent.put_back(message)  # the broker may have it, or not: it comes again
                raise
            self._progress.acknowledged += 1


def _end_if_cancelled() -> None:
    """End a task whose cancellation was lost.

    aiomqtt waits by asyncio.wait_for, which until Python 3.12 forgets a cancellation that comes
    together with the result: the task would talk on, and its group wait for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def connection(
    device: str,
    password: str | None,
    host: str,
    port: int,
    *,
    tls: Tls | None = None,
    window: int = 20,
) -> aiomqtt.Client:
    """Return a device's own connection: user name and client id are the device's id.

    `window` is how many messages may wait for the broker's acknowledgement. Raises OSError when the
    files of `tls` are not good.
    """
    client = aiomqtt.Client(
        host,
        port,
        username=device,
        password=password,
        identifier=device,
        tls_context=tls.context(device) if tls else None,
        max_inflight_messages=window,
    )
    client.pending_calls_threshold = window  # it warns beyond ten unless told
    return client


async def send_once(
    device: str,
    password: str | None,
    payload: bytes,
    *,
    host: str,
    port: int,
    tls: Tls | None = None,
) -> None:
    """Publish one message and wait for the broker's acknowledgement. Raises BrokerError."""
    async with connection(device, password, host, port, tls=tls) as client:
        await client.publish(topic_of(device), payload, qos=QOS)


async def _report(progress: Progress, tell: Tell) -> None:
    while True:
        await asyncio.sleep(REPORT_EVERY_S)
        tell(
            f"{progress.connected} devices connected, {progress.acknowledged} messages "
            f"acknowledged, {progress.dropped} dropped while away"
        )
