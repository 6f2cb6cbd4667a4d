"""What do Milesight's AM and EM series send? Their user guides, chapter "Device Payload".

https://www.milesight.com/iot/resources/download-center/
"""

from collections.abc import Iterator, Mapping
from functools import partial

from connectors.lorawan.codec import Bytes, Measured
from connectors.untrusted import Fault
from hub.domain.intake import Reason
from hub.domain.sensing import Position

# (channel, type): the values behind it, each as (name, bytes, signed, divided by, unit).
_Field = tuple[str, int, bool, int, str | None]
_Table = Mapping[tuple[int, int], tuple[_Field, ...]]
_COMMON: _Table = {
    (0x01, 0x75): (("battery", 1, False, 1, "%"),),
    (0x03, 0x67): (("temperature", 2, True, 10, "Cel"),),
    (0x04, 0x68): (("humidity", 1, False, 2, "%"),),
}
AMBIENCE: _Table = {
    **_COMMON,
    (0x05, 0x00): (("activity", 1, False, 1, None),),
    (0x05, 0x6A): (("activity", 2, False, 1, None),),
    (0x06, 0x65): (("illumination", 2, False, 1, "lx"),
                   ("infrared_and_visible", 2, False, 1, None), ("infrared", 2, False, 1, None)),
    (0x06, 0xCB): (("light_level", 1, False, 1, None),),
    (0x07, 0x7D): (("co2", 2, False, 1, "[ppm]"),),
    (0x08, 0x7D): (("tvoc", 2, False, 1, None),),  # its unit depends on the model
    (0x09, 0x73): (("pressure", 2, False, 10, "hPa"),),
    (0x0A, 0x7D): (("hcho", 2, False, 100, "mg/m3"),),
    (0x0B, 0x7D): (("pm2.5", 2, False, 1, "ug/m3"),),
    (0x0C, 0x7D): (("pm10", 2, False, 1, "ug/m3"),),
    (0x0D, 0x7D): (("o3", 2, False, 100, "[ppm]"),),
    (0x0E, 0x01): (("beep", 1, False, 1, None),),
}  # fmt: skip
ENVIRONMENT: _Table = {
    **_COMMON,
    (0x03, 0x77): (("level", 2, False, 1, "cm"),),
    (0x03, 0x7B): (("pressure", 2, False, 1, "kPa"),),
    (0x03, 0x82): (("distance", 2, False, 1, "mm"),),
    (0x03, 0x94): (("light", 4, False, 1, "lx"),),
    (0x05, 0x00): (("leak", 1, False, 1, None),),
    (0x05, 0x7D): (("co2", 2, False, 1, "[ppm]"),),
    (0x05, 0xC8): (("pulse", 4, False, 1, "1"),),
    (0x06, 0x00): (("magnet", 1, False, 1, None),),
    (0x06, 0x73): (("pressure", 2, False, 10, "hPa"),),
}
_ITSELF = 0xFF  # the channel on which a device tells of itself, when it was switched on
_TELLS = {0x01: 1, 0x08: 6, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0xFE: 1, 0xFF: 2}


def _decode(table: _Table, port: int, data: bytes) -> Iterator[Measured | Position]:
    del port
    source = Bytes(data)
    while source:
        channel, type_ = source.take(2, "channel and type")
        if channel == _ITSELF and type_ in _TELLS:
            source.take(_TELLS[type_], "what it tells of itself")
            continue
        fields = table.get((channel, type_))
        if fields is None:
            told = f"Milesight: nothing is known of type {type_:#04x} on channel {channel:#04x}"
            raise Fault(Reason.UNKNOWN_FIELD, told)
        for name, length, signed, divisor, unit in fields:
            value = int.from_bytes(source.take(length, name), "little", signed=signed) / divisor
            yield Measured(name, value, unit)


ambience = partial(_decode, AMBIENCE)
environment = partial(_decode, ENVIRONMENT)
