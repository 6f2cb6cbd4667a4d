"""Say again what was recorded: CSV files with `timestamp,value`, as one device."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import aiomqtt

from simulators.publish import QOS, connection, topic_of
from simulators.recording import Recorded, read_csv
from simulators.tls import Tls

__all__ = ["Recorded", "ReplayReport", "read_csv", "replay"]

TELL_EVERY_S = 1.0
ACKNOWLEDGED_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Readings published and acknowledged by the broker, and how long that took."""

    sent: int
    acknowledged: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Message:
    """A payload of one or more readings, due so many seconds after the start."""

    payload: bytes
    readings: int
    due_s: float


@dataclass(slots=True)
class _Count:
    """Readings so far."""

    planned: int
    sent: int = 0
    acknowledged: int = 0


async def replay(
    records: Sequence[Recorded],
    *,
    device: str,
    property_id: str,
    host: str,
    port: int,
    username: str,
    password: str | None,
    tls: Tls | None = None,
    speed: float | None = None,
    shift_to_now: bool = False,
    window: int = 100,
    per_message: int = 1,
    tell: Callable[[str], object] = print,
) -> ReplayReport:
    """Publish a recording at QoS 1 in the order of its file, repeated times included.

    `speed` 1 takes as long as recording it did, None goes as fast as the broker acknowledges.
    `shift_to_now` moves all times so that the last is now. At most `window` messages wait for
    their acknowledgement. Raises ValueError for a window, size or speed that is not positive,
    BrokerError when the broker refuses, goes away or does not acknowledge.
    """
    if window < 1 or per_message < 1 or (speed is not None and speed <= 0):
        raise ValueError(
            f"window ({window}), per_message ({per_message}) and speed ({speed}) must be positive"
        )
    if not records:
        return ReplayReport(0, 0, 0.0)
    shift = _to_now(records) if shift_to_now else timedelta()
    messages = _messages(records, property_id, shift, speed, per_message)
    count, started = _Count(len(records)), time.monotonic()
    client = connection(username, password, host, port, tls=tls, window=window)
    try:
        async with client, asyncio.TaskGroup() as group:
            ticking = group.create_task(_tell_progress(count, tell), name="replay.progress")
            await _publish_all(client, topic_of(device), messages, window, count)
            ticking.cancel()
    except ExceptionGroup as errors:
        raise _first(errors) from errors
    return ReplayReport(count.sent, count.acknowledged, time.monotonic() - started)


async def _publish_all(
    client: aiomqtt.Client, topic: str, messages: Iterator[_Message], window: int, count: _Count
) -> None:
    slots, started = asyncio.Semaphore(window), time.monotonic()

    async def publish(message: _Message) -> None:
        try:
            await client.publish(topic, message.payload, qos=QOS, timeout=ACKNOWLEDGED_WITHIN_S)
        finally:
            slots.release()
        count.acknowledged += message.readings

    # Tasks start in the order of their making, and publish before they wait: the order stays.
    async with asyncio.TaskGroup() as group:
        for number, message in enumerate(messages):
            if message.due_s:
                await asyncio.sleep(max(0.0, started + message.due_s - time.monotonic()))
            await slots.acquire()
            group.create_task(publish(message), name=f"replay.publish.{number}")
            count.sent += message.readings


async def _tell_progress(count: _Count, tell: Callable[[str], object]) -> None:
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        tell(f"{count.acknowledged} of {count.planned} readings acknowledged")


def _to_now(records: Sequence[Recorded]) -> timedelta:
    return datetime.now(UTC) - max(record.time for record in records)


def _messages(
    records: Sequence[Recorded],
    property_id: str,
    shift: timedelta,
    speed: float | None,
    per_message: int,
) -> Iterator[_Message]:
    """Make messages of up to `per_message` readings, each due when its last was recorded."""
    rest = iter(records)
    while batch := list(islice(rest, per_message)):
        gone = (batch[-1].time - records[0].time).total_seconds()
        due_s = 0.0 if speed is None else max(0.0, gone / speed)
        yield _Message(_payload(batch, property_id, shift), len(batch), due_s)


def _payload(batch: list[Recorded], property_id: str, shift: timedelta) -> bytes:
    said = [
        {
            "time": (record.time + shift).isoformat().replace("+00:00", "Z"),
            "values": {property_id: record.value},
        }
        for record in batch
    ]
    return json.dumps(said if len(said) > 1 else said[0]).encode()


def _first(error: Exception) -> Exception:
    """Return the first error of a tree of groups: the others failed for the same reason."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
