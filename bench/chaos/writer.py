"""Devices that write down all they send, and all that was promised to them.

Knows nothing of the hub: it speaks MQTT and keeps a history, a JSON object per line, which
`bench.chaos.checker` compares with the store afterwards. Run as a process of its own:
`python -m bench.chaos.writer OPTIONS-AS-JSON`.

A device behaves as a good one does: it keeps a message until the broker has acknowledged it, or,
with `receipts`, until the hub's receipt for it has come; and it sends again what it keeps.
"""

import asyncio
import contextlib
import hashlib
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import aiomqtt

RECONNECT_S = 0.2
ACKNOWLEDGE_TIMEOUT_S = 3.0
RECEIPT_TIMEOUT_S = 3.0
KEEPALIVE_S = 5
DRAIN_S = 90.0  # how long after the last message a device still tries


@dataclass(frozen=True, slots=True)
class Options:
    """`rate` is messages per second of all devices together."""

    port: int
    history: str
    devices: list[str]
    rate: float
    seconds: float
    seed: int
    receipts: bool = False
    untimed: bool = False
    username: str = "bench"
    password: str = "bench"


class History:
    """What happened, in order; readings are known by their value, which occurs once."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def tell(self, what: str, **members: object) -> None:
        at = time.time()
        self._file.write(json.dumps({"event": what, "at": at, **members}) + "\n")
        self._file.flush()


@dataclass(slots=True)
class Message:
    number: int
    payload: bytes
    values: list[float]
    sent_at_s: float = 0.0

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.payload).digest()[:16].hex()}"


class Device:
    """One connection, one message at a time, nothing forgotten before its time."""

    def __init__(
        self, name: str, options: Options, history: History, values: Iterator[int]
    ) -> None:
        self._name = name
        self._options = options
        self._history = history
        self._values = values
        self._random = random.Random(f"{options.seed}-{name}")
        self._kept: dict[int, Message] = {}  # by number, oldest first
        self._unreceipted: dict[str, Message] = {}  # acknowledged by the broker, no receipt yet
        self._last_time = datetime.now(UTC)
        self._numbers = itertools.count()

    async def run(self) -> None:
        """Send for the given time, then until nothing is kept any more."""
        async with asyncio.TaskGroup() as group:
            making = group.create_task(self._make_messages(), name=f"{self._name}.make")
            sending = group.create_task(self._send_for_ever(), name=f"{self._name}.send")
            await making
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    while self._kept or self._unreceipted:
                        await asyncio.sleep(0.05)
            self._history.tell(
                "end", device=self._name, kept=len(self._kept) + len(self._unreceipted)
            )
            sending.cancel()

    async def _make_messages(self) -> None:
        every_s = len(self._options.devices) / self._options.rate
        stop_at = time.monotonic() + self._options.seconds
        while time.monotonic() < stop_at:
            message = self._message()
            self._kept[message.number] = message
            await asyncio.sleep(every_s * self._random.uniform(0.5, 1.5))

    def _message(self) -> Message:
        kind = self._random.random()
        count = 3 if kind < 0.2 else 1  # noqa: PLR2004
        timed = not (self._options.untimed and kind > 0.8)  # noqa: PLR2004
        elements, values = [], []
        for _ in range(count):
            value = float(next(self._values))
            at = self._next_time() if timed else None
            stamped = {"time": at.isoformat()} if at else {}
            elements.append({**stamped, "values": {"value": value}})
            values.append(value)
            told = at.isoformat() if at else None
            self._history.tell("make", device=self._name, value=value, time=told)
        body = elements if count > 1 else elements[0]
        return Message(next(self._numbers), json.dumps(body).encode(), values)

    def _next_time(self) -> datetime:
        self._last_time = max(datetime.now(UTC), self._last_time + timedelta(microseconds=1))
        return self._last_time

    async def _send_for_ever(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._one_connection()
            await asyncio.sleep(RECONNECT_S * self._random.uniform(0.5, 1.5))

    async def _one_connection(self) -> None:
        options = self._options
        client = aiomqtt.Client(
            "127.0.0.1", options.port, identifier=self._name, username=options.username,
            password=options.password, clean_session=not options.receipts, keepalive=KEEPALIVE_S,
            timeout=ACKNOWLEDGE_TIMEOUT_S,
        )  # fmt: skip
        async with client:
            if not options.receipts:
                await self._send(client)
            await client.subscribe(f"v1/devices/{self._name}/receipts", qos=1)
            listening = asyncio.create_task(self._listen(client), name=f"{self._name}.listen")
            try:
                await self._send(client)
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                    await listening

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            self._resend_unreceipted()
            if not self._kept:
                await asyncio.sleep(0.005)
                continue
            message = self._kept[min(self._kept)]
            message.sent_at_s = time.monotonic()
            topic = f"v1/devices/{self._name}/readings"
            await client.publish(topic, message.payload, qos=1)
            del self._kept[message.number]
            self._history.tell("acknowledged", values=message.values)
            if self._options.receipts:
                self._unreceipted[message.digest] = message

    def _resend_unreceipted(self) -> None:
        now_s = time.monotonic()
        late = [
            digest
            for digest, message in self._unreceipted.items()
            if now_s - message.sent_at_s > RECEIPT_TIMEOUT_S
        ]
        for digest in late:
            message = self._unreceipted.pop(digest)
            self._kept[message.number] = message

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for received in client.messages:
            told = json.loads(bytes(received.payload))
            # One that overtakes the broker's acknowledgement is passed by: it comes again.
            message = self._unreceipted.pop(told["payload"], None)
            if message is not None:
                self._history.tell("receipt", values=message.values, accepted=told["accepted"])


async def talk(options: Options, history: History) -> None:
    """Run every device, until each has nothing left to send."""
    values = itertools.count(1)
    async with asyncio.TaskGroup() as group:
        for name in options.devices:
            group.create_task(Device(name, options, history, values).run(), name=name)


def main() -> None:
    options = Options(**json.loads(sys.argv[1]))
    with Path(options.history).open("w") as file:
        asyncio.run(talk(options, History(file)))


if __name__ == "__main__":
    main()
