"""What does Zigbee2MQTT say of a device? https://www.zigbee2mqtt.io/guide/usage/mqtt_topics_and_messages.html"""

from datetime import datetime

from connectors.naming import device_id, property_id
from connectors.telling import by_last_name, readings
from connectors.topics.value import one
from connectors.untrusted import (
    Fault,
    Items,
    an_object,
    instant,
    is_number,
    leaves,
    or_reason,
    shallow_json,
    since_epoch,
)
from hub.domain.intake import Limits, Reason

# Of its "exposes" those whose unit is the same for every device; a voltage is V or mV.
UNITS = {
    "temperature": "Cel", "device_temperature": "Cel", "humidity": "%", "soil_moisture": "%",
    "pressure": "hPa", "battery": "%", "power": "W", "energy": "kW.h", "current": "A",
    "co2": "[ppm]", "pm25": "ug/m3", "pm10": "ug/m3", "illuminance_lux": "lx",
}  # fmt: skip
_SAYS_NOTHING = frozenset({"set", "get", "availability"})
_MILLISECOND = 1e-3


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode an object on `zigbee2mqtt/{device}`, or a value one level below."""
    _, slash, name = topic.partition("/")
    levels = name.split("/")
    if not slash:
        raise Fault(Reason.BAD_TOPIC, f"{topic[:60]!r} is not zigbee2mqtt/{{device}}")
    if levels[0] == "bridge" or levels[-1] in _SAYS_NOTHING:
        return []
    if not payload.lstrip().startswith(b"{"):
        device, property_ = device_id("/".join(levels[:-1])), property_id(levels[-1])
        return one(device, property_, payload, UNITS.get(levels[-1]), limits)
    state = an_object(shallow_json(payload, limits), "a device's state")
    time = _time(state.pop("last_seen", None))
    values = by_last_name(leaves(state, limits), UNITS)
    return list(readings(device_id(name), time, values, limits))


def _time(seen: object) -> datetime | None:
    """Read `last_seen`, which is a text or milliseconds, by its setting."""
    if seen is None:
        return None
    if is_number(seen):
        return since_epoch(seen, _MILLISECOND, "'last_seen'")
    return instant(seen, "'last_seen'")
