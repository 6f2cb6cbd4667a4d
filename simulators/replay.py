"""Say again what was recorded: CSV files with `timestamp,value`, as one device."""

import asyncio
import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from simulators.publish import QOS, connection, topic_of

TELL_EVERY_S = 1.0
ACKNOWLEDGED_WITHIN_S = 30.0


class Recorded(NamedTuple):
    """One recorded value; `time` is aware."""

    time: datetime
    value: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Readings published and acknowledged by the broker, and how long that took."""

    sent: int
    acknowledged: int
    seconds: float


def read_csv(path: Path, timezone: ZoneInfo) -> list[Recorded]:
    """Read a recording, in the order of its file.

    Times without offset are local to `timezone`. In the hour that autumn repeats they are taken
    as the first of the two; a time that spring skips is read with the offset before the change.
    Raises ValueError naming file and line.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if [name.strip() for name in header[:2]] != ["timestamp", "value"]:
            raise ValueError(f"{path.name}, line 1: the header must be timestamp,value")
        return [_recorded(path, rows.line_num, row, timezone) for row in rows if row]


def _recorded(path: Path, line: int, row: list[str], timezone: ZoneInfo) -> Recorded:
    try:
        when, value = datetime.fromisoformat(row[0].strip()), float(row[1])
    except (ValueError, IndexError) as error:
        raise ValueError(
            f"{path.name}, line {line}: expected a time and a number such as "
            f"2015-09-01 13:45:00,3.06, not {','.join(row)[:60]!r}"
        ) from error
    if not math.isfinite(value):
        raise ValueError(f"{path.name}, line {line}: {row[1]!r} is not a finite number")
    return Recorded((when if when.tzinfo else when.replace(tzinfo=timezone)).astimezone(UTC), value)


async def replay(
    records: Sequence[Recorded],
    *,
    device: str,
    property_id: str,
    host: str,
    port: int,
    username: str,
    password: str,
    speed: float | None = None,
    shift_to_now: bool = False,
    window: int = 100,
    per_message: int = 1,
    tell: Callable[[str], object] = print,
) -> ReplayReport:
    """Publish a recording at QoS 1 in the order of its file.

    `speed` 1 takes as long as recording it did, None goes as fast as the broker acknowledges.
    `shift_to_now` moves all times so that the last is now. At most `window` messages wait for
    their acknowledgement. Raises aiomqtt.MqttError.
    """
    if not records:
        return ReplayReport(0, 0, 0.0)
    shift = datetime.now(UTC) - max(r.time for r in records) if shift_to_now else timedelta()
    slots, started = asyncio.Semaphore(window), time.monotonic()
    acknowledged = 0
    async with connection(username, password, host, port) as client, asyncio.TaskGroup() as group:
        client.pending_calls_threshold = window + 1  # we bound them; it need not warn

        async def publish(batch: list[Recorded]) -> None:
            nonlocal acknowledged
            try:
                await client.publish(
                    topic_of(device),
                    _payload(batch, property_id, shift),
                    qos=QOS,
                    timeout=ACKNOWLEDGED_WITHIN_S,
                )
            finally:
                slots.release()
            acknowledged += len(batch)

        told_at, sent = started, 0
        for batch in _batches(records, per_message):
            if speed is not None:
                await _until_due(batch[0], records[0], speed, started)
            await slots.acquire()
            group.create_task(publish(batch), name="publish")
            sent += len(batch)
            if time.monotonic() - told_at > TELL_EVERY_S:
                told_at = time.monotonic()
                tell(f"{sent} of {len(records)} readings sent")
    return ReplayReport(sent, acknowledged, time.monotonic() - started)


def _batches(records: Iterable[Recorded], size: int) -> Iterable[list[Recorded]]:
    rest = iter(records)
    while batch := list(islice(rest, size)):
        yield batch


def _payload(batch: list[Recorded], property_id: str, shift: timedelta) -> bytes:
    said = [
        {
            "time": (record.time + shift).isoformat().replace("+00:00", "Z"),
            "values": {property_id: record.value},
        }
        for record in batch
    ]
    return json.dumps(said if len(said) > 1 else said[0]).encode()


async def _until_due(record: Recorded, first: Recorded, speed: float, started: float) -> None:
    due = started + (record.time - first.time).total_seconds() / speed
    await asyncio.sleep(max(0.0, due - time.monotonic()))
