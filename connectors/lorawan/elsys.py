"""What do ELSYS sensors send? https://www.elsys.se/en/elsys-payload/"""

from collections import Counter
from collections.abc import Iterator

from connectors.lorawan.codec import Bytes, Measured
from connectors.untrusted import Fault, place
from hub.domain.intake import Reason
from hub.domain.sensing import Position

# Type: the values behind it, each as (name, bytes, signed, divided by, unit).
_Field = tuple[str, int, bool, int, str | None]
TYPES: dict[int, tuple[_Field, ...]] = {
    0x01: (("temperature", 2, True, 10, "Cel"),),
    0x02: (("humidity", 1, False, 1, "%"),),
    0x03: (("x", 1, True, 1, None), ("y", 1, True, 1, None), ("z", 1, True, 1, None)),  # 63 is 1 g
    0x04: (("light", 2, False, 1, "lx"),),
    0x05: (("motion", 1, False, 1, "1"),),
    0x06: (("co2", 2, False, 1, "[ppm]"),),
    0x07: (("vdd", 2, False, 1, "mV"),),
    0x08: (("analog1", 2, False, 1, "mV"),),
    0x0A: (("pulse1", 2, False, 1, "1"),),
    0x0B: (("pulseAbs", 4, False, 1, "1"),),
    0x0C: (("externalTemperature", 2, True, 10, "Cel"),),
    0x0D: (("digital", 1, False, 1, None),),
    0x0E: (("distance", 2, False, 1, "mm"),),
    0x0F: (("accMotion", 1, False, 1, "1"),),
    0x10: (("irInternalTemperature", 2, True, 10, "Cel"),
           ("irExternalTemperature", 2, True, 10, "Cel")),
    0x11: (("occupancy", 1, False, 1, None),),
    0x12: (("waterleak", 1, False, 1, None),),
    0x14: (("pressure", 4, False, 1000, "hPa"),),
    0x15: (("soundPeak", 1, False, 1, "dB"), ("soundAvg", 1, False, 1, "dB")),
    0x16: (("pulse2", 2, False, 1, "1"),),
    0x17: (("pulseAbs2", 4, False, 1, "1"),),
    0x18: (("analog2", 2, False, 1, "mV"),),
    0x19: (("externalTemperature2", 2, True, 10, "Cel"),),
    0x1A: (("digital2", 1, False, 1, None),),
    0x1B: (("analogUv", 4, True, 1, "uV"),),
    0x1C: (("tvoc", 2, False, 1, "[ppb]"),),
}  # fmt: skip
_GPS = 0x09  # latitude and longitude, three bytes each, in 1/10,000 degrees
_UNUSED = {0x13: 65, 0x3D: 4}  # a picture of heat in 64 dots; debugging


def decode(port: int, data: bytes) -> Iterator[Measured | Position]:
    """Read type after type. A second value of one name is `name.1`: several probes on a cable."""
    del port
    source, seen = Bytes(data), Counter[str]()
    while source:
        type_ = source.take(1, "a type")[0]
        if type_ == _GPS:
            lat, lon = (_signed(source.take(3, "the position")) / 10_000 for _ in range(2))
            yield place(lon, lat)
        elif type_ in _UNUSED:
            source.take(_UNUSED[type_], f"type {type_:#04x}")
        elif type_ not in TYPES:
            raise Fault(Reason.UNKNOWN_FIELD, f"ELSYS knows no type {type_:#04x}")
        for name, length, signed, divisor, unit in TYPES.get(type_, ()):
            value = int.from_bytes(source.take(length, name), "big", signed=signed) / divisor
            yield Measured(f"{name}.{seen[name]}" if seen[name] else name, value, unit)
            seen[name] += 1


def _signed(three: bytes) -> int:
    return int.from_bytes(three, "big", signed=True)
