"""What does a SenML pack say? Records with base fields, resolved one after the other."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import cbor2

from connectors.naming import device_id, property_id
from connectors.senml.units import UCUM
from connectors.untrusted import (
    Fault,
    Items,
    bounded,
    few,
    is_number,
    kind,
    named,
    result,
    shallow_json,
    since_epoch,
)
from hub.domain.intake import DEFAULT_LIMITS, Decoded, Limits, Reason, Undecodable
from hub.domain.topics import device_of

VERSION = 10  # RFC 8428, section 4.4
ABSOLUTE_S = 2**28  # a smaller time is told from now (section 4.5.3)
FIELDS = frozenset(
    {"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"}
)
_VALUES = ("v", "vs", "vb", "vd")
_BASE = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:./_-]*", re.ASCII)  # section 4.5.1
_ENDS = ":/._-"

# Section 6, table 4: what CBOR writes for the names of the fields.
_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs", 0: "n", 1: "u", 2: "v", 3: "vs",
    4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_DECIMAL = 4  # the tag of decimal fractions, which section 6 allows for numbers
_FLAT, _WITH_DECIMALS = 2, 4  # levels that cbor2 counts: list and map, then tag and list
# Where lists may be values they may be keys too, and four thousand of those can be chosen to have
# one hash: 300 ms for 60 KB. So a pack with decimal fractions is short.
DECIMALS_BYTES = 8 * 1024


def decode_json(topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS) -> Items:
    """Decode `application/senml+json`."""
    return _decode(topic, payload, limits, shallow_json)


def decode_cbor(topic: str, payload: bytes, limits: Limits = DEFAULT_LIMITS) -> Items:
    """Decode `application/senml+cbor`."""
    return _decode(topic, payload, limits, _cbor)


def _decode(
    topic: str, payload: bytes, limits: Limits, read: Callable[[bytes, Limits], object]
) -> Items:
    try:
        pack = _pack(read(payload, limits), limits)
    except Fault as fault:
        return [fault.undecodable]
    return list(_records(device_of(topic), pack, limits))


def _pack(document: object, limits: Limits) -> list[dict[str, Any]]:
    if not isinstance(document, list):
        raise Fault(Reason.WRONG_SHAPE, f"a SenML pack is a list, not {kind(document)}")
    if not document:
        raise Fault(Reason.EMPTY, "an empty list")
    sums = sum("s" in record for record in document if isinstance(record, dict))
    few(len(document) + sums, limits)
    for record in document:
        _understood(record)
    return document


def _understood(record: object) -> None:
    """Refuse what must be understood and is not: then the whole pack may mean something else."""
    if not isinstance(record, dict):
        raise Fault(Reason.WRONG_SHAPE, f"a SenML record is an object, not {kind(record)}")
    for label in record.keys() - FIELDS:
        if isinstance(label, str) and label.endswith("_"):
            raise Fault(Reason.UNKNOWN_FIELD, f"{named(label)} must be understood, and is not")
    version = record.get("bver", VERSION)
    if not is_number(version) or version > VERSION:
        raise Fault(Reason.WRONG_SHAPE, f"a version later than {VERSION} of SenML")


def _records(
    owner: str | None, pack: list[dict[str, Any]], limits: Limits
) -> Iterator[Decoded | Undecodable]:
    base: dict[str, Any] = {}
    for record in pack:
        for label in _BASE & record.keys():
            base[label] = record[label]
        if not record.keys() & FIELDS - _BASE:
            if record.keys() & _BASE:
                continue  # it sets the base for those that follow
            yield Undecodable(Reason.EMPTY, "a record without a value")
            continue
        try:
            yield from _record(owner, base, record, limits)
        except Fault as fault:
            yield fault.undecodable


def _record(
    owner: str | None, base: Mapping[str, Any], record: Mapping[str, Any], limits: Limits
) -> Iterator[Decoded | Undecodable]:
    device, property_ = _names(owner, _label(base, "bn"), _label(record, "n"))
    time = _time(_number(base, "bt") + _number(record, "t"))
    unit = _unit(record.get("u", base.get("bu")))
    present = [label for label in _VALUES if label in record]
    if len(present) > 1:
        raise Fault(Reason.WRONG_SHAPE, f"{property_} has {' and '.join(present)}: one is right")
    if not present and "s" not in record:
        raise Fault(Reason.EMPTY, f"{property_} has no value")
    for label in present:
        value = _value(label, record[label], _number(base, "bv"), property_)
        yield Decoded(device, property_, time, result(property_, value, limits), None, unit)
    if "s" in record:
        total = _number(base, "bs") + _number(record, "s")
        sum_ = property_id(f"{property_}_sum")
        yield Decoded(device, sum_, time, result(sum_, total, limits), None, None)


def _value(label: str, value: object, base: float, name: str) -> object:
    if label == "v":
        if not is_number(value):
            raise Fault(Reason.WRONG_TYPE, f"'v' of {name} must be a number, not {kind(value)}")
        return value + base if base else value
    if label == "vb" and isinstance(value, bool):
        return float(value)
    if label == "vs" and isinstance(value, str):
        return value
    raise Fault(Reason.WRONG_TYPE, f"{named(label)} of {name} cannot be stored")


def _names(owner: str | None, base: str, name: str) -> tuple[str, str]:
    """Say which device and property a name means.

    Base name and name; or the parts before and after the last colon or slash of one of them; or,
    on the topic of a device, that device and the name.
    """
    whole = base + name
    if not _NAME.fullmatch(whole):
        raise Fault(Reason.BAD_NAME, f"{named(whole)} is no SenML name")
    if not base and owner is not None:
        return owner, property_id(name)
    if not base or not name:
        cut = max(whole.rfind(":"), whole.rfind("/")) + 1
        base, name = whole[:cut], whole[cut:]
    if not base or not name:
        raise Fault(
            Reason.BAD_NAME, f"{named(whole)} must name device and property: urn:dev:mac:…:no2"
        )
    return device_id(base.rstrip(_ENDS)), property_id(name.strip(_ENDS))


def _label(record: Mapping[str, Any], label: str) -> str:
    name = record.get(label, "")
    if not isinstance(name, str):
        raise Fault(Reason.WRONG_TYPE, f"{named(label)} must be a text, not {kind(name)}")
    return name


def _number(record: Mapping[str, Any], label: str) -> float:
    number = record.get(label, 0)
    if not is_number(number):
        raise Fault(Reason.WRONG_TYPE, f"{named(label)} must be a number, not {kind(number)}")
    try:
        return float(number)
    except OverflowError as error:
        raise Fault(Reason.BAD_VALUE, f"{named(label)} is not a finite number") from error


def _time(seconds: float) -> datetime | timedelta | None:
    if seconds == 0:
        return None
    if abs(seconds) < ABSOLUTE_S:
        return timedelta(seconds=seconds)
    return since_epoch(seconds, what="'t'")


def _unit(unit: object) -> str | None:
    if unit is None:
        return None
    if not isinstance(unit, str):
        raise Fault(Reason.WRONG_TYPE, f"'u' must be a text, not {kind(unit)}")
    return UCUM.get(unit, unit)


def _cbor(payload: bytes, limits: Limits) -> object:
    bounded(payload, limits)
    try:
        pack = _read(payload, _FLAT)
    except cbor2.CBORDecodeError as error:
        if "nesting depth" not in str(error):
            raise Fault(Reason.NOT_CBOR, str(error)) from error
        pack = _with_decimals(payload)
    if not isinstance(pack, list):
        return pack
    return [_labelled(record) if isinstance(record, dict) else record for record in pack]


def _with_decimals(payload: bytes) -> object:
    if len(payload) > DECIMALS_BYTES:
        raise Fault(Reason.TOO_DEEP, f"nested values in more than {DECIMALS_BYTES} bytes")
    try:
        return _read(payload, _WITH_DECIMALS)
    except cbor2.CBORDecodeError as error:
        deep = "nesting depth" in str(error)
        raise Fault(Reason.TOO_DEEP if deep else Reason.NOT_CBOR, str(error)) from error


def _read(payload: bytes, depth: int) -> object:
    source = io.BytesIO(payload)
    decoder = cbor2.CBORDecoder(
        source, max_depth=depth, allow_duplicate_keys=False, semantic_decoders=_TAGS
    )
    read: object = decoder.decode()
    if source.tell() < len(payload):
        raise cbor2.CBORDecodeError(f"{len(payload) - source.tell()} bytes more behind the end")
    return read


def _labelled(record: Mapping[Any, Any]) -> dict[str, object]:
    """Return a record with the names that JSON has; numbers that nobody knows stay unknown."""
    named_ = {_LABELS.get(label, str(label)) if type(label) is int else label: value
              for label, value in record.items()}  # fmt: skip
    if len(named_) < len(record):
        raise Fault(Reason.DUPLICATE_KEY, "a label both as a number and as a text")
    return named_


def _refused(value: object, immutable: bool) -> object:
    """Take no tag's word for what a value is: big numbers, dates, references to itself."""
    del value, immutable
    raise ValueError("a tag that SenML does not have")


def _decimal(value: object, immutable: bool) -> float:
    del immutable
    if not isinstance(value, (list, tuple)) or [type(part) for part in value] != [int, int]:
        raise ValueError("no decimal fraction")
    exponent, mantissa = value
    return float(f"{mantissa}e{exponent}")


_KNOWN_TO_CBOR2 = (
    0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799
)  # fmt: skip
_TAGS = {**dict.fromkeys(_KNOWN_TO_CBOR2, _refused), _DECIMAL: _decimal}
