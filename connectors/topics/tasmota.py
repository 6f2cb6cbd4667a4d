"""What does Tasmota say of a device? https://tasmota.github.io/docs/MQTT/"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from connectors.naming import device_id
from connectors.telling import readings
from connectors.untrusted import (
    Fault,
    Items,
    an_object,
    instant,
    leaves,
    or_reason,
    shallow_json,
)
from hub.domain.intake import Limits, Reason

UNITS = {
    "Humidity": "%", "Power": "W", "ApparentPower": "V.A", "ReactivePower": "V.A", "Voltage": "V",
    "Current": "A", "Frequency": "Hz", "Total": "kW.h", "Today": "kW.h", "Yesterday": "kW.h",
    "CarbonDioxide": "[ppm]", "Illuminance": "lx", "PM2.5": "ug/m3", "PM10": "ug/m3",
}  # fmt: skip
_TEMPERATURES = {"C": "Cel", "F": "[degF]"}
_PRESSURES = {"hPa": "hPa", "mmHg": "mm[Hg]", "inHg": "[in_i'Hg]"}
_OF_TEMPERATURE = ("Temperature", "DewPoint")
_OF_PRESSURE = ("Pressure", "SeaPressure")
_NOT_MEASURED = frozenset({"Id", "TotalStartTime"})
_MESSAGES = frozenset({"SENSOR", "STATE"})


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode `tele/{device}/SENSOR` and `…/STATE`; also where the prefix stands second."""
    *before, message = topic.split("/")
    levels = [level for level in before if level != "tele"]
    if len(levels) == len(before) or not levels:
        raise Fault(Reason.BAD_TOPIC, f"{topic[:60]!r} is not tele/{{device}}/SENSOR")
    if message not in _MESSAGES:
        return []  # whether it is there, and how it is set
    told = an_object(shallow_json(payload, limits), "a message of Tasmota")
    time = _time(told.pop("Time", None))
    return list(readings(device_id("/".join(levels)), time, _values(told, limits), limits))


def _values(told: dict[str, object], limits: Limits) -> Iterator[tuple[str, object, str | None]]:
    units: Mapping[str, str | None] = {
        **UNITS,
        **dict.fromkeys(_OF_TEMPERATURE, _TEMPERATURES.get(str(told.pop("TempUnit", "C")))),
        **dict.fromkeys(_OF_PRESSURE, _PRESSURES.get(str(told.pop("PressureUnit", "hPa")))),
    }
    for name, value in leaves(told, limits):
        last = name.rpartition(".")[2]
        if last not in _NOT_MEASURED and not isinstance(value, list):
            yield name, value, units.get(last)


def _time(time: object) -> datetime | None:
    """Read its clock if that knows its offset (`Timezone`); else it was said when it arrived."""
    try:
        return None if time is None else instant(time, "'Time'")
    except Fault as fault:
        if fault.undecodable.reason is Reason.TIME_WITHOUT_OFFSET:
            return None
        raise
