"""What does a message say, read as a mapping file declares?"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from connectors.mapping import topics
from connectors.mapping.expressions import Expression
from connectors.mapping.model import At, Message, OfTopic, PositionAt, TimeAt, Value, read_file
from connectors.naming import device_id, property_id
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    few,
    instant,
    is_number,
    members,
    named,
    number,
    place,
    result_or_flag,
    shallow_json,
    since_epoch,
)
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position
from hub.ingest.ports import Decode

# Expressions that search look at every value: a look takes up to half a microsecond.
LOOKS = 50_000
A_SEARCH = 10  # looks that it takes to begin one, in each part of a message
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)


Names = Mapping[str, str]


def make(limits: Limits, file: str) -> Decode:
    """Return a decoder of what a mapping file declares; raise ConfigurationError if it is wrong."""
    messages = [
        (topics.pattern(message.topic), message) for message in read_file(Path(file)).message
    ]

    def decode(topic: str, payload: bytes) -> Items:
        try:
            for pattern, message in messages:
                match = pattern.fullmatch(topic)
                if match:
                    return _decode(message, match.groupdict(), payload, limits)
        except Fault as fault:
            return [fault.undecodable]
        told = f"no [[message]] of {file} fits the topic {topic[:200]!r}"
        return [Undecodable(Reason.BAD_TOPIC, told)]

    return decode


def _decode(message: Message, names: Names, payload: bytes, limits: Limits) -> Items:
    document = shallow_json(payload, limits)
    _searchable(message, document)
    parts = _parts(message.each, document)
    few(len(parts) * len(message.value), limits)
    _few_looks(A_SEARCH * len(parts) * sum(one.steps is None for one in _expressions(message)))
    once = _once(message, document)
    items = [item for part in parts for item in _Part(part, once, names).readings(message, limits)]
    if not items:
        raise Fault(Reason.EMPTY, "the mapping finds none of its values")
    return items


def _searchable(message: Message, document: object) -> None:
    """Refuse a message in which expressions that search would have too much to look at."""
    searching = sum(one.parts for one in _expressions(message) if one.steps is None)
    if searching:
        _few_looks(searching * _size(document))


def _few_looks(looks: int) -> None:
    if looks > LOOKS:
        raise Fault(
            Reason.TOO_MANY_VALUES,
            f"the mapping's expressions would look at {looks} values in it; they may at {LOOKS}",
        )


def _expressions(message: Message) -> Iterator[Expression]:
    if message.each is not None:
        yield message.each
    if message.time is not None:
        yield message.time.path
    if message.position is not None:
        yield from (message.position.lon, message.position.lat)
    for named_ in (message.device, *(value.property for value in message.value)):
        if isinstance(named_, At):
            yield named_.path
    yield from (value.path for value in message.value)


def _size(document: object) -> int:
    """Count what is in a document: values, lists and objects."""
    count, layer = 0, [document]
    while layer:
        count += len(layer)
        layer = [inner for outer in layer for inner in members(outer)]
    return count


def _parts(each: Expression | None, document: object) -> Sequence[object]:
    if each is None:
        return [document]
    found = each.find(document)
    if found is None:
        raise Fault(Reason.EMPTY, f"'each' ({each.text}) finds nothing")
    return found if isinstance(found, list) else [found]


def _once(message: Message, document: object) -> Mapping[str, object]:
    """Find once what is of the whole message, and not of each part of it."""
    return {one.text: one.find(document) for one in _expressions(message) if one.of_message}


class _Part:
    """One part of a message, or all of it, and what the mapping finds there."""

    def __init__(self, document: object, once: Mapping[str, object], names: Names) -> None:
        self._document = document
        self._once = once
        self._names = names

    def readings(self, message: Message, limits: Limits) -> Iterator[Decoded | Undecodable]:
        try:
            device = device_id(self._name(message.device, "the device"))
            time = self._time(message.time)
            position = self._position(message.position)
        except Fault as fault:
            yield fault.undecodable
            return
        for value in message.value:
            try:
                found = self._find(value.path)
                if found is None:
                    _may_be_missing(value)
                    continue
                name = value.property
                property_ = name if isinstance(name, str) else property_id(self._name(name, "it"))
                told = result_or_flag(property_, _made(value, found, property_), limits)
                unit = None if isinstance(told, str) else value.unit
                yield Decoded(device, property_, time, told, position, unit)
            except Fault as fault:
                yield fault.undecodable

    def _find(self, where: Expression) -> object:
        return self._once[where.text] if where.of_message else where.find(self._document)

    def _name(self, where: At | OfTopic, what: str) -> str:
        if isinstance(where, OfTopic):
            return topics.filled(where.topic, self._names)
        found = self._find(where.path)
        if is_number(found):
            return f"{number(what, found):.15g}"
        return a_text(found, f"{what} ({where.path.text})")

    def _time(self, where: TimeAt | None) -> datetime | None:
        found = None if where is None else self._find(where.path)
        if where is None or found is None:
            return None
        what = named(where.path.text)
        if where.form == "iso":
            return instant(found, what)
        return since_epoch(number(what, found), _SECONDS[where.form], what)

    def _position(self, where: PositionAt | None) -> Position | None:
        if where is None:
            return None
        lon, lat = self._find(where.lon), self._find(where.lat)
        if lon is None and lat is None:
            return None
        return place(_degrees(lon), _degrees(lat))


def _may_be_missing(value: Value) -> None:
    if value.required:
        raise Fault(Reason.WRONG_SHAPE, f"{named(value.path.text)} finds nothing")


def _degrees(found: object) -> object:
    return float(found) if isinstance(found, str) and _NUMBER.fullmatch(found) else found


def _made(value: Value, found: object, name: str) -> object:
    """Return what becomes of a value: by its words, as a number, scaled."""
    if value.words:
        found = value.words.get(_word(found), found)
    if value.text or isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return found
    if isinstance(found, str) and not _NUMBER.fullmatch(found):
        return found
    return number(name, found) * value.scale + value.offset


def _word(found: object) -> str:
    """Return what a value is among words: true is `true`, 1 and 1.0 are `1`."""
    if isinstance(found, bool):
        return str(found).lower()
    if is_number(found):
        return f"{number('it', found):.15g}"
    return found if isinstance(found, str) else ""
