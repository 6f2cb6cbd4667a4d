"""What does a native payload say? Untrusted bytes to named values, or the reason why not."""

from collections.abc import Iterator
from datetime import datetime

from connectors.untrusted import (
    Fault,
    few,
    instant,
    is_deeper,
    json_document,
    kind,
    named,
    place,
    result,
)
from hub.domain.intake import DEFAULT_LIMITS, Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position
from hub.domain.topics import device_of

_KNOWN_FIELDS = frozenset({"time", "values", "position"})


def decode(
    topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS
) -> list[Decoded | Undecodable]:
    """Decode a message on `v1/devices/{device}/readings`.

    A message that cannot be read gives one Undecodable; so does each element with a bad time or
    position. A bad value costs that value alone.
    """
    try:
        device = _device(topic)
        document = json_document(payload, limits)
        elements = _elements(document, limits)
    except Fault as fault:
        return [fault.undecodable]
    items = [item for element in elements for item in _decode_element(device, element, limits)]
    # Only what is not understood can be nested deeper than the format is.
    if any(isinstance(item, Undecodable) for item in items) and is_deeper(document, limits.depth):
        return [Undecodable(Reason.TOO_DEEP, f"nested deeper than {limits.depth} levels")]
    return items if len(elements) == 1 else _once_without_time(items)


def _once_without_time(items: list[Decoded | Undecodable]) -> list[Decoded | Undecodable]:
    """Refuse a second value of one property without a time: both would be of the same instant."""
    seen: set[str] = set()
    told: list[Decoded | Undecodable] = []
    for item in items:
        if isinstance(item, Decoded) and item.time is None:
            if item.property in seen:
                detail = f"{named(item.property)} comes twice without a time"
                told.append(Undecodable(Reason.BAD_TIME, detail))
                continue
            seen.add(item.property)
        told.append(item)
    return told


def _device(topic: str) -> str:
    device = device_of(topic)
    if device is None:
        raise Fault(
            Reason.BAD_TOPIC,
            f"{topic[:200]!r} is not v1/devices/{{device}}/readings with the id of a device",
        )
    return device


def _elements(document: object, limits: Limits) -> list[object]:
    elements = document if isinstance(document, list) else [document]
    if not elements:
        raise Fault(Reason.EMPTY, "an empty list")
    few(sum(_size(element) for element in elements), limits)
    return elements


def _size(element: object) -> int:
    values = element.get("values") if isinstance(element, dict) else None
    return len(values) if isinstance(values, dict) and values else 1


def _decode_element(
    device: str, element: object, limits: Limits
) -> Iterator[Decoded | Undecodable]:
    try:
        values = _values(element)
        time = _time(element)
        position = _position(element)
    except Fault as fault:
        yield fault.undecodable
        return
    for name, value in values.items():
        try:
            yield Decoded(device, name, time, result(name, value, limits), position)
        except Fault as fault:
            yield fault.undecodable


def _values(element: object) -> dict[str, object]:
    if not isinstance(element, dict):
        raise Fault(
            Reason.WRONG_SHAPE,
            f'expected {{"time": …, "values": {{…}}}}, not {kind(element)}',
        )
    unknown = element.keys() - _KNOWN_FIELDS
    if unknown:
        raise Fault(
            Reason.UNKNOWN_FIELD,
            f"unknown field {min(unknown)[:60]!r}; known are time, values and position",
        )
    values = element.get("values")
    if not isinstance(values, dict):
        raise Fault(
            Reason.WRONG_SHAPE, f"'values' must be an object such as {{\"no2\": 18}}, not "
            f"{kind(values)}"
        )  # fmt: skip
    if not values:
        raise Fault(Reason.EMPTY, "'values' is empty")
    return values


def _time(element: object) -> datetime | None:
    text = element.get("time") if isinstance(element, dict) else None
    if text is None:
        return None
    return instant(text)


def _position(element: object) -> Position | None:
    given = element.get("position") if isinstance(element, dict) else None
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:  # noqa: PLR2004
        raise Fault(Reason.BAD_POSITION, "'position' must be [longitude, latitude]")
    return place(*given)
