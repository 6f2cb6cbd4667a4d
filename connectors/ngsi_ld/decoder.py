"""What does a context broker say of its entities? ETSI GS CIM 009 (NGSI-LD), section 5.3.1."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from connectors.naming import device_id, property_id
from connectors.ngsi_ld.units import UCUM
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    an_object,
    few,
    instant,
    kind,
    named,
    or_reason,
    place,
    result_or_flag,
    shallow_json,
)
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position

_URN = "urn:ngsi-ld:"
_ABOUT = frozenset({
    "id", "type", "@context", "scope", "createdAt", "modifiedAt", "deletedAt", "expiresAt",
    "location", "dateObserved",
})  # fmt: skip
_NO_PROPERTIES = (
    "Relationship", "GeoProperty", "LanguageProperty", "VocabProperty", "JsonProperty",
    "ListProperty", "ListRelationship",
)  # fmt: skip


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode a notification, by HTTP or MQTT, in any of its representations; or bare entities."""
    del topic
    document = shallow_json(payload, limits)
    if isinstance(document, dict) and "body" in document:  # the MQTT binding, section 7
        document = document["body"]
    notified_at: datetime | None = None
    if isinstance(document, dict) and "data" in document:
        if document.get("notifiedAt") is not None:
            notified_at = instant(document["notifiedAt"], "'notifiedAt'")
        document = document["data"]
    entities = document if isinstance(document, list) else [document]
    if not entities:
        raise Fault(Reason.EMPTY, "no entities")
    few(sum(_size(entity) for entity in entities), limits)
    return [item for entity in entities for item in _entity(entity, notified_at, limits)]


def _size(entity: object) -> int:
    if not isinstance(entity, dict):
        return 1
    return sum(len(one) if isinstance(one, list) else 1 for one in entity.values())


def _entity(
    told: object, notified_at: datetime | None, limits: Limits
) -> Iterator[Decoded | Undecodable]:
    try:
        entity = an_object(told, "an entity")
        device = device_id(a_text(entity.get("id"), "'id'").removeprefix(_URN))
        position = _position(entity.get("location"))
        observed_at = _observed(entity.get("dateObserved")) or notified_at
    except Fault as fault:
        yield fault.undecodable
        return
    for name, attribute in entity.items():
        if name in _ABOUT:
            continue
        for instance in _instances(attribute):
            try:
                if _is_measured(instance):
                    yield _reading(device, name, instance, observed_at, limits)._replace(
                        position=position
                    )
            except Fault as fault:
                yield fault.undecodable


def _instances(attribute: object) -> Sequence[object]:
    """Return the values of an attribute that has several, told apart by `datasetId`."""
    several = isinstance(attribute, list) and any(isinstance(one, dict) for one in attribute)
    return attribute if several and isinstance(attribute, list) else [attribute]


def _is_measured(told: object) -> bool:
    """Tell whether an attribute may be a value at all: no relation, no place, not null."""
    if not isinstance(told, dict):
        return told is not None
    if told.get("type") in _NO_PROPERTIES or ("coordinates" in told and "value" not in told):
        return False
    return told.get("value", told) is not None


def _reading(
    device: str, name: str, told: object, observed_at: datetime | None, limits: Limits
) -> Decoded:
    property_ = _property(name, told)
    unit: str | None = None
    if isinstance(told, dict):
        if "value" not in told:
            raise Fault(Reason.WRONG_SHAPE, f"{named(name)} is an object without 'value'")
        unit = _unit(told.get("unitCode"))
        if told.get("observedAt") is not None:
            observed_at = instant(told["observedAt"], "'observedAt'")
        told = told["value"]
    value = result_or_flag(property_, told, limits)
    return Decoded(
        device, property_, observed_at, value, None, None if isinstance(value, str) else unit
    )


def _property(name: str, told: object) -> str:
    """Return the property's id: of the last part of an expanded name, and of the data set."""
    short = name.rstrip("/#")
    short = short[max(short.rfind("/"), short.rfind("#")) + 1 :]
    dataset = told.get("datasetId") if isinstance(told, dict) else None
    if isinstance(dataset, str):
        return property_id(f"{short}.{dataset.rpartition(':')[2]}")
    return property_id(short)


def _unit(code: object) -> str | None:
    return UCUM.get(code, code) if isinstance(code, str) else None


def _observed(told: object) -> datetime | None:
    """Read `dateObserved` of the Smart Data Models: a time, or an interval, which its begin is."""
    while isinstance(told, dict):
        told = told.get("value", told.get("@value"))
    if told is None:
        return None
    return instant(a_text(told, "'dateObserved'").partition("/")[0], "'dateObserved'")


def _position(location: object) -> Position | None:
    """Read a GeoProperty, or the GeoJSON that it is when simplified; only a point is a position."""
    if isinstance(location, dict) and "value" in location:
        location = location["value"]
    if not isinstance(location, dict) or location.get("type") != "Point":
        return None
    coordinates = location.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) < 2:  # noqa: PLR2004
        raise Fault(
            Reason.BAD_POSITION,
            f"'location' must be [longitude, latitude], not {kind(coordinates)}",
        )
    return place(coordinates[0], coordinates[1])
