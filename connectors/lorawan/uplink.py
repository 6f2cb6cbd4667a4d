"""What does an uplink say: what the network server decoded, or the bytes that a codec reads?"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.lorawan.codec import PORT_OF_COMMANDS, Codec
from connectors.telling import readings
from connectors.untrusted import Fault, Items, few, leaves
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_DESCRIBED = frozenset({"value", "unit", "displayName"})
# How scripts of makers write units for people to read.
_SYMBOLS = {
    "°C": "Cel", "°": "deg", "µg⋅m⁻³": "ug/m3", "µS⋅cm⁻¹": "uS/cm", "m³⋅m⁻³": "m3/m3",
    "ppm": "[ppm]",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Uplink:
    """What a network server tells: `decoded` if it could, and `data` as the device sent it."""

    device: str
    time: datetime | None
    port: int
    decoded: Mapping[str, object] | None
    data: bytes
    position: Position | None = None


def read(uplink: Uplink, codec: Codec | None, limits: Limits) -> Items:
    """Return the readings of an uplink; raise Fault where nobody can read it."""
    if uplink.decoded:
        values = _values(uplink.decoded, limits)
        return list(readings(uplink.device, uplink.time, values, limits, uplink.position))
    if uplink.port == PORT_OF_COMMANDS or not uplink.data:
        return []  # an empty uplink says that the device is there
    if codec is None:
        raise Fault(
            Reason.WRONG_SHAPE,
            f"'{uplink.device}' sends bytes that the network server did not decode: give it a "
            "decoder there, or name a codec here: connectors/lorawan/README.md",
        )
    return list(_coded(uplink, codec, limits))


def _values(
    decoded: Mapping[str, object], limits: Limits
) -> Iterator[tuple[str, object, str | None]]:
    few(len(decoded), limits)
    plain: dict[str, object] = {}
    for name, value in decoded.items():
        if isinstance(value, dict) and "value" in value and value.keys() <= _DESCRIBED:
            unit = value.get("unit")
            unit = unit if isinstance(unit, str) and unit else None
            yield name, _number(value["value"]), unit and _SYMBOLS.get(unit, unit)
        else:
            plain[name] = value
    for name, end in leaves(plain, limits, lists=True):
        yield name, _number(end), None


def _number(value: object) -> object:
    """Return the number that a text is: scripts of network servers write both."""
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _coded(uplink: Uplink, codec: Codec, limits: Limits) -> Iterator[Decoded | Undecodable]:
    position = uplink.position
    values: list[tuple[str, object, str | None]] = []
    fault: Fault | None = None
    try:
        for told in codec(uplink.port, uplink.data):
            if isinstance(told, Position):
                position = told
            else:
                values.append(told)
    except Fault as raised:
        fault = raised
    yield from readings(uplink.device, uplink.time, values, limits, position)
    if fault is not None:  # what was read before it is sound
        yield fault.undecodable
