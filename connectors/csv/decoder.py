"""What do lines of comma-separated values say, under a header that names the columns?"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.naming import device_id, property_id
from connectors.untrusted import (
    Fault,
    Items,
    bounded,
    few,
    instant,
    named,
    or_reason,
    place,
    result,
    since_epoch,
    text_of,
)
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.sensing import Position
from hub.domain.topics import device_of

_DELIMITERS = ",;\t"
_MILLISECONDS = 1e11  # seconds until the year 5138: a larger number counts milliseconds
_NUMBER = re.compile(r"[+-]?(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_WITH_UNIT = re.compile(r"(?P<name>[^\[(]*[^\[( ]) *[\[(](?P<unit>[^()]*)[\])]")
_PLACE = {"longitude": "lon", "latitude": "lat"}
_SPECIAL = frozenset({"device", "time", "property", "value", "unit", "lon", "lat"})


@dataclass(frozen=True, slots=True)
class _Header:
    """Which column is what: special ones by name, and (index, property, unit) of all others."""

    width: int
    special: dict[str, int]
    values: list[tuple[int, str, str | None]]
    decimal_comma: bool

    def cell(self, row: Sequence[str], name: str) -> str:
        index = self.special.get(name)
        return "" if index is None else row[index].strip()


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode rows under a header: one value a row, or one a column."""
    bounded(payload, limits)
    header, rows = _table(text_of(payload.removeprefix(b"\xef\xbb\xbf")), limits)
    owner = device_of(topic)
    return [item for row in rows for item in _row(owner, header, row, limits)]


def _table(text: str, limits: Limits) -> tuple[_Header, list[list[str]]]:
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        cells = next(reader, [])  # a byte order mark alone leaves nothing
        few(len(cells), limits)
        header = _header(cells, delimiter == ";")
        for row in reader:
            if row:
                rows.append(row)
                few(len(rows) * max(1, len(header.values)), limits)
    except csv.Error as error:
        raise Fault(Reason.WRONG_SHAPE, f"line {reader.line_num}: {error}") from error
    if not rows:
        raise Fault(Reason.EMPTY, "a header without rows")
    return header, rows


def _header(cells: list[str], decimal_comma: bool) -> _Header:
    special: dict[str, int] = {}
    values: list[tuple[int, str, str | None]] = []
    seen: set[str] = set()
    for index, cell in enumerate(cells):
        name = cell.strip()
        match = _WITH_UNIT.fullmatch(name)
        name, unit = (match["name"], match["unit"].strip()) if match else (name, None)
        lowered = name.lower()
        known = _PLACE.get(lowered, lowered)
        name = known if known in _SPECIAL else property_id(name)
        if name in seen:
            raise Fault(Reason.DUPLICATE_KEY, f"the column {named(name)} is there twice")
        seen.add(name)
        if known in _SPECIAL:
            special[known] = index
        else:
            values.append((index, name, unit))
    long = {"property", "value"} & special.keys()
    if (long and (values or len(long) == 1)) or not (long or values):
        raise Fault(
            Reason.WRONG_SHAPE,
            "the header must name properties (device,time,no2,pm10), or property and value "
            "(device,time,property,value,unit)",
        )
    return _Header(len(cells), special, values, decimal_comma)


def _row(
    owner: str | None, header: _Header, row: list[str], limits: Limits
) -> Iterator[Decoded | Undecodable]:
    try:
        device, time, position = _about(owner, header, row)
        values = header.values or [_long(header, row)]
    except Fault as fault:
        yield fault.undecodable
        return
    for index, name, unit in values:
        cell = row[index].strip()
        if not cell and header.values:
            continue  # a table has holes where there is nothing to tell
        try:
            value = result(name, _value(cell, header.decimal_comma), limits)
            yield Decoded(device, name, time, value, position, unit or None)
        except Fault as fault:
            yield fault.undecodable


def _about(
    owner: str | None, header: _Header, row: list[str]
) -> tuple[str, datetime | None, Position | None]:
    if len(row) != header.width:
        raise Fault(
            Reason.WRONG_SHAPE, f"a row of {len(row)} cells under a header of {header.width}"
        )
    device = _device(owner, header.cell(row, "device"))
    return device, _time(header.cell(row, "time")), _position(header, row)


def _long(header: _Header, row: list[str]) -> tuple[int, str, str | None]:
    name = property_id(header.cell(row, "property"))
    if not header.cell(row, "value"):
        raise Fault(Reason.EMPTY, f"{named(name)} has no value")
    return header.special["value"], name, header.cell(row, "unit") or None


def _device(owner: str | None, cell: str) -> str:
    if cell:
        return device_id(cell)
    if owner is None:
        raise Fault(Reason.BAD_NAME, "no column 'device', and the topic is not that of a device")
    return owner


def _time(cell: str) -> datetime | None:
    if not cell:
        return None
    if not _NUMBER.fullmatch(cell):
        return instant(cell)
    count = float(cell)
    return since_epoch(count, 1e-3 if count >= _MILLISECONDS else 1.0)


def _position(header: _Header, row: list[str]) -> Position | None:
    lon, lat = header.cell(row, "lon"), header.cell(row, "lat")
    if not lon and not lat:
        return None
    return place(_value(lon, header.decimal_comma), _value(lat, header.decimal_comma))


def _value(cell: str, decimal_comma: bool) -> float | str:
    told = cell.replace(",", ".", 1) if decimal_comma else cell
    return float(told) if _NUMBER.fullmatch(told) else cell
