"""What does a native payload say? Untrusted bytes to named values, or the reason why not."""

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import jiter

from hub.domain.intake import DEFAULT_LIMITS, Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position
from hub.domain.topics import device_of

# Nothing that is measured is larger, and sums of squares of what is smaller stay finite: one absurd
# value must not spoil everybody's aggregates.
MAGNITUDE = 1e100

_KNOWN_FIELDS = frozenset({"time", "values", "position"})


class _Fault(Exception):  # noqa: N818  never leaves this module
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.undecodable = Undecodable(reason, detail)


def decode(
    topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS
) -> list[Decoded | Undecodable]:
    """Decode a message on `v1/devices/{device}/readings`.

    A message that cannot be read gives one Undecodable; so does each element with a bad time or
    position. A bad value costs that value alone.
    """
    try:
        device = _device(topic)
        document = _document(payload, limits)
        elements = _elements(document, limits)
    except _Fault as fault:
        return [fault.undecodable]
    items = [item for element in elements for item in _decode_element(device, element, limits)]
    # Only what is not understood can be nested deeper than the format is.
    if any(isinstance(item, Undecodable) for item in items) and _is_deeper(document, limits.depth):
        return [Undecodable(Reason.TOO_DEEP, f"nested deeper than {limits.depth} levels")]
    return items if len(elements) == 1 else _once_without_time(items)


def _once_without_time(items: list[Decoded | Undecodable]) -> list[Decoded | Undecodable]:
    """Refuse a second value of one property without a time: both would be of the same instant."""
    seen: set[str] = set()
    told: list[Decoded | Undecodable] = []
    for item in items:
        if isinstance(item, Decoded) and item.time is None:
            if item.property in seen:
                detail = f"{_named(item.property)} comes twice without a time"
                told.append(Undecodable(Reason.BAD_TIME, detail))
                continue
            seen.add(item.property)
        told.append(item)
    return told


def _device(topic: str) -> str:
    device = device_of(topic)
    if device is None:
        raise _Fault(
            Reason.BAD_TOPIC,
            f"{topic[:200]!r} is not v1/devices/{{device}}/readings with the id of a device",
        )
    return device


def _is_deeper(document: object, levels: int) -> bool:
    """Tell whether lists and objects are nested in more than so many levels."""
    layer = [document]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in _inside(outer)]
        if not layer:
            return False
    return any(isinstance(value, (dict, list)) for value in layer)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _document(payload: bytes, limits: Limits) -> object:
    if len(payload) > limits.payload_bytes:
        raise _Fault(
            Reason.TOO_LARGE,
            f"{len(payload)} bytes; a message may have {limits.payload_bytes}",
        )
    if not payload.strip():
        raise _Fault(Reason.EMPTY, "no payload")
    try:
        document: object = jiter.from_json(
            payload, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError as error:
        raise _Fault(_syntax_reason(str(error)), str(error)) from error
    return document


def _syntax_reason(told: str) -> Reason:
    if told.startswith("Detected duplicate key"):
        return Reason.DUPLICATE_KEY
    if told.startswith("recursion limit"):
        return Reason.TOO_DEEP
    return Reason.NOT_JSON


def _elements(document: object, limits: Limits) -> list[object]:
    elements = document if isinstance(document, list) else [document]
    if not elements:
        raise _Fault(Reason.EMPTY, "an empty list")
    values = sum(_size(element) for element in elements)
    if values > limits.values_per_message:
        raise _Fault(
            Reason.TOO_MANY_VALUES,
            f"{values} values; a message may have {limits.values_per_message}",
        )
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
    except _Fault as fault:
        yield fault.undecodable
        return
    for name, value in values.items():
        try:
            yield Decoded(device, name, time, _value(name, value, limits), position)
        except _Fault as fault:
            yield fault.undecodable


def _values(element: object) -> dict[str, object]:
    if not isinstance(element, dict):
        raise _Fault(
            Reason.WRONG_SHAPE,
            f'expected {{"time": …, "values": {{…}}}}, not {_kind(element)}',
        )
    unknown = element.keys() - _KNOWN_FIELDS
    if unknown:
        raise _Fault(
            Reason.UNKNOWN_FIELD,
            f"unknown field {min(unknown)[:60]!r}; known are time, values and position",
        )
    values = element.get("values")
    if not isinstance(values, dict):
        raise _Fault(
            Reason.WRONG_SHAPE, f"'values' must be an object such as {{\"no2\": 18}}, not "
            f"{_kind(values)}"
        )  # fmt: skip
    if not values:
        raise _Fault(Reason.EMPTY, "'values' is empty")
    return values


def _time(element: object) -> datetime | None:
    text = element.get("time") if isinstance(element, dict) else None
    if text is None:
        return None
    if not isinstance(text, str):
        raise _Fault(
            Reason.BAD_TIME,
            f"'time' must be a text such as 2026-11-23T09:00:00Z, not {_kind(text)}",
        )
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise _Fault(Reason.BAD_TIME, f"{text[:60]!r} is not an ISO 8601 time") from error
    if time.tzinfo is None:
        raise _Fault(
            Reason.TIME_WITHOUT_OFFSET, f"{text[:60]!r} has no offset: end it with Z or +01:00"
        )
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # the offset leads out of the calendar
        raise _Fault(Reason.BAD_TIME, f"{text[:60]!r} is outside the years 1 to 9999") from error


def _position(element: object) -> Position | None:
    given = element.get("position") if isinstance(element, dict) else None
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 2:  # noqa: PLR2004
        raise _Fault(Reason.BAD_POSITION, "'position' must be [longitude, latitude]")
    lon, lat = given
    if not _is_degrees(lon, 180) or not _is_degrees(lat, 90):
        raise _Fault(
            Reason.BAD_POSITION,
            "'position' must be longitude -180 to 180, then latitude -90 to 90",
        )
    return Position(float(lon), float(lat))


def _is_degrees(value: object, bound: int) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and -bound <= value <= bound
    )


def _value(name: str, value: object, limits: Limits) -> float | str:
    if type(value) is float:
        return _bounded(name, value)
    if type(value) is int:
        try:
            return _bounded(name, float(value))
        except OverflowError as error:
            raise _Fault(Reason.BAD_VALUE, f"{_named(name)} is not a finite number") from error
    if isinstance(value, str):
        return _text(name, value, limits)
    raise _Fault(
        Reason.WRONG_TYPE, f"{_named(name)} must be a number or a text, not {_kind(value)}"
    )


def _bounded(name: str, value: float) -> float:
    if not math.isfinite(value):  # JSON's 1e999
        raise _Fault(Reason.BAD_VALUE, f"{_named(name)} is not a finite number")
    if abs(value) > MAGNITUDE:
        raise _Fault(Reason.BAD_VALUE, f"{_named(name)} is beyond {MAGNITUDE:g}")
    return value


def _text(name: str, value: str, limits: Limits) -> str:
    if len(value) > limits.text_length:
        raise _Fault(
            Reason.BAD_VALUE,
            f"{_named(name)} has {len(value)} characters; a text may have {limits.text_length}",
        )
    if "\x00" in value:
        raise _Fault(Reason.BAD_VALUE, f"{_named(name)} contains U+0000, which cannot be stored")
    return value


def _named(name: str) -> str:
    return repr(name[:60])


_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


def _kind(value: object) -> str:
    return "nothing" if value is None else _KINDS.get(type(value), "a number")
