"""What do the devices of a benchmark say? Native payloads; no two readings for the same time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.hub import PROPERTY
from bench.publishing import Message

MANY = 50
PROPERTIES = (PROPERTY, *(f"value-{number:02}" for number in range(1, MANY)))


@dataclass(frozen=True, slots=True)
class Shape:
    """How a device packs its readings; `payload` makes one message from its number and time."""

    name: str
    readings: int  # per message
    payload: Callable[[int, datetime], bytes]

    def messages(self, count: int, devices: int, start: datetime) -> Iterator[Message]:
        """Yield messages of all devices in turn, a millisecond apart per reading."""
        step = timedelta(milliseconds=self.readings)
        for number in range(count):
            yield number % devices, self.payload(number, start + number * step)


def _single(number: int, time: datetime) -> bytes:
    return f'{{"time": "{_iso(time)}", "values": {{"{PROPERTY}": {_value(number)}}}}}'.encode()


def _wide(number: int, time: datetime) -> bytes:
    values = ", ".join(f'"{name}": {_value(number + i)}' for i, name in enumerate(PROPERTIES))
    return f'{{"time": "{_iso(time)}", "values": {{{values}}}}}'.encode()


def _long(number: int, time: datetime) -> bytes:
    elements = (_single(number + i, time + timedelta(milliseconds=i)).decode() for i in range(MANY))
    return f"[{', '.join(elements)}]".encode()


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _value(number: int) -> float:
    return 20 + number % 1000 / 100


SINGLE = Shape("one reading", 1, _single)
WIDE = Shape("50 properties at one time", MANY, _wide)
LONG = Shape("50 times of one property", MANY, _long)


def long_ago(days: int) -> datetime:
    """Return midnight so many days ago: rounds that start on different days do not meet."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days)
