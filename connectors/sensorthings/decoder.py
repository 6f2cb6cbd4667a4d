"""What does a SensorThings service say was observed? OGC 18-088, sections 8.2.6, 13.2 and 14."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from connectors.naming import device_id, property_id
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    an_object,
    few,
    instant,
    is_number,
    kind,
    or_reason,
    place,
    result_or_flag,
    shallow_json,
)
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position

_ID = "@iot.id"
_LONG = 200  # characters; no definition of a unit has as many
_OF_A_DATASTREAM = re.compile(r"(?:.*/)?Datastreams\(([^()/]{1,100})\)/Observations")
_UCUM = re.compile(r"(?:ucum:|.*/UCUM/(?:[0-9.]+/)?)(?P<code>.+)", re.IGNORECASE)


class _Stream(NamedTuple):
    """Which device and property a datastream is of, and its unit if that is known."""

    device: str
    property: str
    unit: str | None


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode an Observation, a list or collection of them, or a data array."""
    document = shallow_json(payload, limits)
    if isinstance(document, dict) and isinstance(document.get("value"), list):
        document = document["value"]
    entities = document if isinstance(document, list) else [document]
    if not entities:
        raise Fault(Reason.EMPTY, "no observations")
    few(sum(_size(entity) for entity in entities), limits)
    match = _OF_A_DATASTREAM.fullmatch(topic)
    of_topic = match[1].strip("'") if match else None
    return [item for entity in entities for item in _entity(entity, of_topic, limits)]


def _size(entity: object) -> int:
    rows = entity.get("dataArray") if isinstance(entity, dict) else None
    return len(rows) if isinstance(rows, list) else 1


def _entity(told: object, of_topic: str | None, limits: Limits) -> Iterator[Decoded | Undecodable]:
    try:
        entity = an_object(told, "an observation")
        stream = _stream(entity.get("Datastream"), of_topic)
        rows = _rows(entity) if "dataArray" in entity else [entity]
    except Fault as fault:
        yield fault.undecodable
        return
    for row in rows:
        try:
            yield from _observation(stream, row, limits)
        except Fault as fault:
            yield fault.undecodable


def _rows(entity: Mapping[str, object]) -> Sequence[object]:
    """Return the rows of a data array as observations; a bad row stays what it is."""
    components, rows = entity.get("components"), entity.get("dataArray")
    if not isinstance(components, list) or not all(isinstance(one, str) for one in components):
        raise Fault(Reason.WRONG_SHAPE, "'components' must be a list of names")
    if not isinstance(rows, list):
        raise Fault(Reason.WRONG_SHAPE, f"'dataArray' must be a list, not {kind(rows)}")
    return [
        dict(zip(components, row, strict=True))
        if isinstance(row, list) and len(row) == len(components)
        else row
        for row in rows
    ]


def _observation(stream: _Stream, told: object, limits: Limits) -> Iterator[Decoded]:
    if not isinstance(told, dict) or "result" not in told:
        raise Fault(Reason.WRONG_SHAPE, "an observation without 'result'")
    if told["result"] is None:
        return
    value = result_or_flag(stream.property, told["result"], limits)
    unit = None if isinstance(value, str) else stream.unit
    time = _time(told.get("phenomenonTime")) or _time(told.get("resultTime"))
    yield Decoded(stream.device, stream.property, time, value, _position(told), unit)


def _time(told: object) -> datetime | None:
    """Read a time, or an interval, which stands at its begin, as our roll-ups do."""
    if told is None:
        return None
    return instant(a_text(told, "'phenomenonTime'").partition("/")[0], "'phenomenonTime'")


def _stream(told: object, of_topic: str | None) -> _Stream:
    """Say what a datastream is of: its Thing and ObservedProperty if they are expanded."""
    if told is None:
        if of_topic is None:
            raise Fault(
                Reason.BAD_NAME, "neither a 'Datastream' nor the topic Datastreams(…)/Observations"
            )
        return _Stream(device_id(f"datastream-{of_topic}"), "result", None)
    stream = an_object(told, "'Datastream'")
    unit = _unit(stream.get("unitOfMeasurement"))
    property_, thing = stream.get("ObservedProperty"), stream.get("Thing")
    name = property_.get("name") if isinstance(property_, dict) else None
    return _Stream(
        device_id(_thing(thing) if isinstance(thing, dict) else f"datastream-{_id(stream)}"),
        property_id(a_text(name, "'name'")) if name is not None else "result",
        unit,
    )


def _thing(thing: Mapping[str, object]) -> str:
    return f"thing-{_id(thing)}" if _ID in thing else a_text(thing.get("name"), "'name'")


def _id(entity: Mapping[str, object]) -> str:
    found = entity.get(_ID)
    return str(found) if is_number(found) else a_text(found, f"'{_ID}'")


def _unit(told: object) -> str | None:
    """Return the UCUM code of a unit whose definition is UCUM's; other symbols mean many things."""
    definition = told.get("definition") if isinstance(told, dict) else None
    match = _UCUM.fullmatch(definition[:_LONG]) if isinstance(definition, str) else None
    return unquote(match["code"]) if match else None


def _position(observation: Mapping[str, object]) -> Position | None:
    feature = observation.get("FeatureOfInterest")
    where = feature.get("feature") if isinstance(feature, dict) else None
    if not isinstance(where, dict) or where.get("type") != "Point":
        return None
    coordinates = where.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2:  # noqa: PLR2004
        raise Fault(Reason.BAD_POSITION, "a feature of interest must be [longitude, latitude]")
    return place(coordinates[0], coordinates[1])
