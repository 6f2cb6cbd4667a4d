"""What is a codec, and what do all of them share?"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from connectors.untrusted import Fault
from hub.domain.intake import Reason
from hub.domain.sensing import Position

PORT_OF_COMMANDS = 0  # LoRaWAN 1.0.4, section 4.3.2: MAC commands, nothing measured
MOST_BYTES = 255  # no data rate carries more (RP002-1.0.4)


class Measured(NamedTuple):
    """A value as the device's maker calls it, with its UCUM unit."""

    name: str
    value: float | str
    unit: str | None = None


class Codec(Protocol):
    """Yields what the bytes of an uplink hold, then raises Fault where they make no sense."""

    def __call__(self, port: int, data: bytes) -> Iterator[Measured | Position]: ...


class Bytes:
    """Reads an uplink from the front."""

    def __init__(self, data: bytes) -> None:
        if len(data) > MOST_BYTES:
            raise Fault(Reason.TOO_LARGE, f"{len(data)} bytes; LoRaWAN carries {MOST_BYTES}")
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int, what: str) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            left = f"{len(taken)} of {count} bytes"
            raise Fault(Reason.WRONG_SHAPE, f"the uplink ends within {what}: {left}")
        self._at += count
        return taken
