"""What do bytes from outside say, and what in them is refused? The rules that all formats share."""

import base64
import binascii
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Protocol, TypeGuard

import jiter

from hub.domain.identity import SLUG_LENGTH
from hub.domain.intake import DEFAULT_LIMITS, MAGNITUDE, Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME_LENGTH = 60  # characters of a foreign name that a reason repeats
_LONG_NAME = 2 * SLUG_LENGTH + 1  # what naming.NAME_LENGTH refuses

Items = list[Decoded | Undecodable]


class Decoder(Protocol):
    def __call__(self, topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS) -> Items: ...


class Fault(Exception):  # noqa: N818  never leaves a decoder
    """Why a message, an element or a value cannot be read; caught where the loss is bounded."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.undecodable = Undecodable(reason, detail)


def or_reason(read: Callable[[str, bytes, Limits], Items]) -> Decoder:
    """Make a decoder of a function that raises Fault where a message is lost as a whole."""

    @wraps(read)
    def decode(topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS) -> Items:
        try:
            return read(topic, payload, limits)
        except Fault as fault:
            return [fault.undecodable]

    return decode


def bounded(payload: bytes, limits: Limits) -> None:
    """Refuse a payload that is too large to be looked at, or has nothing in it."""
    if len(payload) > limits.payload_bytes:
        raise Fault(
            Reason.TOO_LARGE,
            f"{len(payload)} bytes; a message may have {limits.payload_bytes}",
        )
    if not payload.strip():
        raise Fault(Reason.EMPTY, "no payload")


def text_of(payload: bytes) -> str:
    """Read UTF-8."""
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault(Reason.NOT_TEXT, f"not UTF-8: {error.reason} at {error.start}") from error


def json_document(payload: bytes, limits: Limits) -> object:
    """Read JSON: no NaN, no duplicate keys, no lone surrogates, no depth that the reader minds."""
    bounded(payload, limits)
    try:
        document: object = jiter.from_json(
            payload, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError as error:
        raise Fault(_syntax_reason(str(error)), str(error)) from error
    return document


def shallow_json(payload: bytes, limits: Limits) -> object:
    """Read JSON that is nested no deeper than `limits.depth`."""
    document = json_document(payload, limits)
    # Fewer brackets than levels cannot be nested deeper: the walk is for the few that have more.
    if payload.count(b"{") + payload.count(b"[") > limits.depth:
        within(document, limits)
    return document


def within(document: object, limits: Limits) -> None:
    """Refuse what is nested deeper than `limits.depth`."""
    if is_deeper(document, limits.depth):
        raise Fault(Reason.TOO_DEEP, f"nested deeper than {limits.depth} levels")


def _syntax_reason(told: str) -> Reason:
    if told.startswith("Detected duplicate key"):
        return Reason.DUPLICATE_KEY
    if told.startswith("recursion limit"):
        return Reason.TOO_DEEP
    return Reason.NOT_JSON


def is_deeper(document: object, levels: int) -> bool:
    """Tell whether lists and objects are nested in more than so many levels."""
    layer = [document]
    for _ in range(levels):
        layer = [inner for outer in layer for inner in members(outer)]
        if not layer:
            return False
    return any(isinstance(value, (dict, list)) for value in layer)


def members(value: object) -> Iterable[object]:
    """Return what an object or a list holds; a value holds nothing."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def few(count: int, limits: Limits) -> None:
    """Refuse a message of more values than one may have."""
    if count > limits.values_per_message:
        raise Fault(
            Reason.TOO_MANY_VALUES,
            f"{count} values; a message may have {limits.values_per_message}",
        )


def an_object(value: object, what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise Fault(Reason.WRONG_SHAPE, f"{what} must be an object, not {kind(value)}")
    return value


def a_text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise Fault(Reason.WRONG_SHAPE, f"{what} must be a text, not {kind(value)}")
    return value


def octets(value: object, what: str) -> bytes:
    """Read base64, as RFC 4648 has it in section 4 or 5, with or without padding."""
    text = a_text(value, what)
    try:
        padded = text.translate(_TO_STANDARD) + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Fault(Reason.BAD_VALUE, f"{what} is not base64") from error


_TO_STANDARD = str.maketrans("-_", "+/")


def instant(text: object, what: str = "'time'") -> datetime:
    """Read an ISO 8601 time with offset."""
    if not isinstance(text, str):
        raise Fault(
            Reason.BAD_TIME,
            f"{what} must be a text such as 2026-11-23T09:00:00Z, not {kind(text)}",
        )
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise Fault(Reason.BAD_TIME, f"{text[:60]!r} is not an ISO 8601 time") from error
    if time.tzinfo is None:
        raise Fault(
            Reason.TIME_WITHOUT_OFFSET, f"{text[:60]!r} has no offset: end it with Z or +01:00"
        )
    try:
        return time.astimezone(UTC)
    except OverflowError as error:  # the offset leads out of the calendar
        raise Fault(Reason.BAD_TIME, f"{text[:60]!r} is outside the years 1 to 9999") from error


def since_epoch(count: object, unit_s: float = 1.0, what: str = "'time'") -> datetime:
    """Read a time that is counted from 1970 in units of so many seconds."""
    if not is_number(count):
        raise Fault(Reason.BAD_TIME, f"{what} must be a number, not {kind(count)}")
    try:
        return EPOCH + timedelta(microseconds=round(count * (unit_s * 1e6)))
    except (OverflowError, ValueError) as error:
        raise Fault(Reason.BAD_TIME, f"{what} is outside the years 1 to 9999") from error


def place(lon: object, lat: object) -> Position:
    """Read WGS 84 degrees."""
    if not is_degrees(lon, 180) or not is_degrees(lat, 90):
        raise Fault(
            Reason.BAD_POSITION,
            "a position must be longitude -180 to 180 and latitude -90 to 90",
        )
    return Position(float(lon), float(lat))


def is_degrees(value: object, bound: int) -> TypeGuard[float]:
    return is_number(value) and -bound <= value <= bound


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def result(name: str, value: object, limits: Limits) -> float | str:
    """Return what can be stored of a value: a finite number or a bounded text."""
    if type(value) is float:
        return _finite(name, value)
    if type(value) is int:
        return _number(name, value)
    if isinstance(value, str):
        return _text(name, value, limits)
    raise Fault(Reason.WRONG_TYPE, f"{named(name)} must be a number or a text, not {kind(value)}")


def result_or_flag(name: str, value: object, limits: Limits) -> float | str:
    """Return a result where true is 1 and false is 0, for formats that have switches."""
    return float(value) if isinstance(value, bool) else result(name, value, limits)


def number(name: str, value: object) -> float:
    """Return a finite number, also one that is written as a text."""
    if isinstance(value, str) and "_" not in value:  # Python would take 1_000 for a number
        try:
            value = float(value)
        except ValueError as error:
            raise Fault(Reason.WRONG_TYPE, f"{named(name)} is no number") from error
    if not is_number(value):
        raise Fault(Reason.WRONG_TYPE, f"{named(name)} must be a number, not {kind(value)}")
    return _number(name, value)


def leaves(
    values: Mapping[str, object], limits: Limits, *, lists: bool = False
) -> list[tuple[str, object]]:
    """Return what an object holds at its ends: `{"a": {"b": 1}}` is `a.b` and 1.

    With `lists` also what lists hold, by their index; else a list is an end itself. Raises Fault
    where that is more than a message may have.
    """
    found: list[tuple[str, object]] = []
    for name, value in values.items():
        _into(value, name, limits, lists, found)
    return found


def _into(
    value: object, name: str, limits: Limits, lists: bool, found: list[tuple[str, object]]
) -> None:
    members: Iterable[tuple[object, object]]
    if isinstance(value, dict):
        members = value.items()
    elif lists and isinstance(value, list):
        members = enumerate(value)
    else:
        found.append((name, value))
        if len(found) > limits.values_per_message:
            few(len(found), limits)
        return
    # A longer name is no property's, and must not be copied into each of thousands beneath it.
    prefix = name[:_LONG_NAME]
    for inner, end in members:
        _into(end, f"{prefix}.{inner}", limits, lists, found)


def _number(name: str, value: float) -> float:
    try:
        return _finite(name, float(value))
    except OverflowError as error:  # an integer beyond any float
        raise Fault(Reason.BAD_VALUE, f"{named(name)} is not a finite number") from error


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):  # JSON's 1e999
        raise Fault(Reason.BAD_VALUE, f"{named(name)} is not a finite number")
    if abs(value) > MAGNITUDE:
        raise Fault(Reason.BAD_VALUE, f"{named(name)} is beyond {MAGNITUDE:g}")
    return value


def _text(name: str, value: str, limits: Limits) -> str:
    if len(value) > limits.text_length:
        raise Fault(
            Reason.BAD_VALUE,
            f"{named(name)} has {len(value)} characters; a text may have {limits.text_length}",
        )
    if "\x00" in value:
        raise Fault(Reason.BAD_VALUE, f"{named(name)} contains U+0000, which cannot be stored")
    return value


def named(name: str) -> str:
    return repr(name[:NAME_LENGTH])


_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


def kind(value: object) -> str:
    return "nothing" if value is None else _KINDS.get(type(value), "a number")
