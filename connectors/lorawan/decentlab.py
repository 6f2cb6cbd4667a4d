"""What do Decentlab's sensors send? https://www.decentlab.com/support

Every model has its own table; the bytes tell protocol, serial number and which sensors follow.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from connectors.lorawan.codec import Bytes, Measured
from connectors.untrusted import Fault
from hub.domain.intake import Reason
from hub.domain.sensing import Position

PROTOCOL = 2
_Words = Sequence[int]
_Field = tuple[str, Callable[[_Words], float], str | None]
_Sensor = tuple[int, tuple[_Field, ...]]  # how many words of 16 bits, and what they mean
_MIDDLE = 32_768  # what stands for zero where a value may be negative


def _word(index: int, divisor: int = 1, zero: int = 0) -> Callable[[_Words], float]:
    return lambda x: (x[index] - zero) / divisor


_BATTERY: _Sensor = (1, (("battery_voltage", _word(0, 1000), "V"),))

MODELS: dict[str, tuple[_Sensor, ...]] = {
    "sht35": (
        (2, (("air_temperature", lambda x: 175 * x[0] / 65535 - 45, "Cel"),
             ("air_humidity", lambda x: 100 * x[1] / 65535, "%"))),
        _BATTERY,
    ),
    "pm": (
        _BATTERY,
        (10, (("pm1_0_mass_concentration", _word(0, 10), "ug/m3"),
              ("pm2_5_mass_concentration", _word(1, 10), "ug/m3"),
              ("pm4_mass_concentration", _word(2, 10), "ug/m3"),
              ("pm10_mass_concentration", _word(3, 10), "ug/m3"),
              ("typical_particle_size", _word(4), "nm"),
              ("pm0_5_number_concentration", _word(5, 10), "cm-3"),
              ("pm1_0_number_concentration", _word(6, 10), "cm-3"),
              ("pm2_5_number_concentration", _word(7, 10), "cm-3"),
              ("pm4_number_concentration", _word(8, 10), "cm-3"),
              ("pm10_number_concentration", _word(9, 10), "cm-3"))),
        (2, (("air_temperature", lambda x: 175.72 * x[0] / 65536 - 46.85, "Cel"),
             ("air_humidity", lambda x: 125 * x[1] / 65536 - 6, "%"))),
        (1, (("barometric_pressure", lambda x: x[0] * 2.0, "Pa"),)),
    ),
    "mbx": (
        (2, (("distance", _word(0), "mm"), ("number_of_valid_samples", _word(1), "1"))),
        _BATTERY,
    ),
    "ctd10": (
        (4, (("water_depth", _word(0, zero=_MIDDLE), "mm"),
             ("temperature", _word(1, 10, _MIDDLE), "Cel"),
             ("electrical_conductivity", _word(2), "uS/cm"), ("freezing_flag", _word(3), None))),
        _BATTERY,
    ),
    "trs12": (
        (3, (("dielectric_permittivity", lambda x: _permittivity(x[0] / 10), "1"),
             ("volumetric_water_content", lambda x: x[0] / 10 * 0.0003879 - 0.6956, "m3/m3"),
             ("soil_temperature", _word(1, 10, _MIDDLE), "Cel"),
             ("electrical_conductivity", _word(2), "uS/cm"))),
        _BATTERY,
    ),
    "cws": (
        (6, (("surface_temperature", _word(0, 100, _MIDDLE), "Cel"),
             ("air_temperature", _word(1, 100, _MIDDLE), "Cel"),
             ("air_humidity", _word(2, 100, _MIDDLE), "%"),
             ("dew_point", _word(3, 100, _MIDDLE), "Cel"),
             ("angle", _word(4, zero=_MIDDLE), "deg"),
             ("sensor_temperature", _word(5, 100, _MIDDLE), "Cel"))),
        _BATTERY,
    ),
}  # fmt: skip


def _permittivity(counts: float) -> float:
    return float((2.887e-9 * counts**3 - 2.08e-5 * counts**2 + 5.276e-2 * counts - 43.39) ** 2)


def decode(sensors: Sequence[_Sensor], port: int, data: bytes) -> Iterator[Measured | Position]:
    """Read version, serial number, flags, and the sensors whose flags are set."""
    del port
    source = Bytes(data)
    version, _, flags = struct.unpack(">BHH", source.take(5, "the header"))
    if version != PROTOCOL:
        raise Fault(Reason.WRONG_SHAPE, f"protocol {version} of Decentlab's; known is {PROTOCOL}")
    if flags >> len(sensors):
        raise Fault(Reason.UNKNOWN_FIELD, f"flags {flags:#06x}: the model has {len(sensors)}")
    for number, (length, fields) in enumerate(sensors):
        if not flags >> number & 1:
            continue
        words = struct.unpack(f">{length}H", source.take(2 * length, fields[0][0]))
        for name, told_by, unit in fields:
            yield Measured(name, told_by(words), unit)


CODECS = {f"decentlab-{model}": partial(decode, sensors) for model, sensors in MODELS.items()}
