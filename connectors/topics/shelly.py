"""What does a Shelly say? First generation by topics, later ones by status objects.

https://shelly-api-docs.shelly.cloud/gen1/ and https://shelly-api-docs.shelly.cloud/gen2/
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from connectors.naming import device_id, property_id
from connectors.telling import readings
from connectors.topics.value import one
from connectors.untrusted import (
    Fault,
    Items,
    an_object,
    leaves,
    or_reason,
    shallow_json,
    since_epoch,
)
from hub.domain.intake import Limits, Reason

# By the last part of a name. An energy is watt-minutes in the first generation and watt-hours in
# those after it, so it has its unit only where the generation is plain.
UNITS = {
    "apower": "W", "act_power": "W", "aprt_power": "V.A", "voltage": "V", "current": "A",
    "freq": "Hz", "tC": "Cel", "tF": "[degF]", "rh": "%", "lux": "lx", "percent": "%", "V": "V",
}  # fmt: skip
_ENERGY = "aenergy.total"  # watt-hours
_FIRST = {
    "temperature": "Cel", "humidity": "%", "power": "W", "voltage": "V", "current": "A",
    "battery": "%", "lux": "lx", "temperature_f": "[degF]", "energy": "W.min",
}  # fmt: skip
_FIRST_GENERATION = "shellies"
_SAYS_NOTHING = frozenset({"online", "announce", "info", "command", "set", "debug", "rpc"})
_DEVICE_AND_KIND = 3


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode `shellies/{device}/…`, `{device}/status/{component}` and `{device}/events/rpc`."""
    levels = topic.split("/")
    if len(levels) < _DEVICE_AND_KIND:
        raise Fault(
            Reason.BAD_TOPIC, f"{topic[:60]!r} is neither shellies/{{device}}/… nor "
            "{device}/status/{component}"
        )  # fmt: skip
    if levels[0] == _FIRST_GENERATION:
        return _first(levels, payload, limits)
    device, component = "/".join(levels[:-2]), levels[-1]
    if levels[-2:] == ["events", "rpc"]:
        return _notified(device, payload, limits)
    if levels[-2] != "status":
        return []
    status = an_object(shallow_json(payload, limits), "a status")
    return _told(device, None, {component: status}, limits)


def _first(levels: list[str], payload: bytes, limits: Limits) -> Items:
    if levels[-1] in _SAYS_NOTHING:
        return []
    _, device, *names = levels
    return one(
        device_id(device), property_id(".".join(names)), payload, _FIRST.get(names[-1]), limits
    )


def _notified(device: str, payload: bytes, limits: Limits) -> Items:
    message = an_object(shallow_json(payload, limits), "a notification")
    if message.get("method") not in ("NotifyStatus", "NotifyFullStatus"):
        return []
    params = dict(an_object(message.get("params"), "'params'"))
    time = params.pop("ts", None)
    return _told(device, None if time is None else since_epoch(time, what="'ts'"), params, limits)


def _told(
    device: str, time: datetime | None, components: Mapping[str, object], limits: Limits
) -> Items:
    return list(readings(device_id(device), time, _values(components, limits), limits))


def _values(
    components: Mapping[str, object], limits: Limits
) -> Iterator[tuple[str, object, str | None]]:
    """Yield what the components measure; lists repeat what totals tell, ids what names tell."""
    for name, value in leaves(components, limits):
        last = name.rpartition(".")[2]
        if last != "id" and not isinstance(value, list):
            unit = "W.h" if name.endswith(_ENERGY) else UNITS.get(last)
            yield name.replace(":", "."), value, unit
