"""How do rows look outside? JSON, CSV and GeoJSON, written piece by piece."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from hub.domain.queries import Bucket, Raw, Row
from hub.domain.sensing import Datastream, Position
from hub.errors import BadRequest

PIECE = 1_000  # rows written at a time, so that a large page needs little memory

AGGREGATES = ("mean", "min", "max", "count")  # what is answered to those who do not choose
ALL_AGGREGATES = (*AGGREGATES, "sum", "first", "last", "good")


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    GEOJSON = "geojson"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8; header=present",
    Format.GEOJSON: "application/geo+json",
}


def choose_format(asked: str | None, accept: str) -> Format:
    """Return what `format` asks for, or else what the Accept header names first."""
    if asked is not None:
        try:
            return Format(asked)
        except ValueError as error:
            raise BadRequest(f"'format' must be one of {', '.join(Format)}") from error
    for part in accept.split(","):
        wanted = part.split(";")[0].strip().lower()
        for known, media_type in MEDIA_TYPES.items():
            if wanted == media_type.split(";")[0]:
                return known
    return Format.JSON


def choose_aggregates(asked: Sequence[str]) -> tuple[str, ...]:
    """Return which columns of a bucket to show; commas and repetition both work."""
    names = [name.strip() for text in asked for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ALL_AGGREGATES:
            known = ", ".join(ALL_AGGREGATES)
            raise BadRequest(f"'aggregate' must be of {known}, not {name[:40]!r}")
    return tuple(names) or AGGREGATES


def write_time(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Page:
    """Rows on their way out, with what names them."""

    rows: Sequence[Row]
    streams: Mapping[int, Datastream]
    locate: Callable[[Row], Position | None]
    aggregates: tuple[str, ...] = AGGREGATES


def record(page: Page, row: Row) -> dict[str, Any]:
    """Return a row as an object: who, what, when, how much, where."""
    stream = page.streams[row.datastream_id]
    position = page.locate(row)
    return {
        "datastream": stream.id,
        "device": stream.device,
        "property": stream.property,
        "unit": stream.unit,
        "time": write_time(row.time),
        **_measured(row, page.aggregates),
        "position": None if position is None else list(position),
    }


def _measured(row: Row, aggregates: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(row, Raw):
        return {"value": row.value if row.text is None else row.text, "quality": row.quality}
    return {name: _aggregate(row, name) for name in aggregates}


def _aggregate(row: Bucket, name: str) -> float | int | None:
    found: float | int | None = row.readings if name == "count" else getattr(row, name)
    return found


def write_json(head: Mapping[str, Any], page: Page) -> Iterator[bytes]:
    """Write `head`'s members, then the rows as `readings`."""
    yield orjson.dumps(head)[:-1] + b',"readings":['
    for start in range(0, len(page.rows), PIECE):
        written = orjson.dumps([record(page, row) for row in page.rows[start : start + PIECE]])
        yield (b"," if start else b"") + written[1:-1]
    yield b"]}"


def write_geojson(head: Mapping[str, Any], page: Page) -> Iterator[bytes]:
    """Write a FeatureCollection (RFC 7946); `head`'s members stand beside `features`."""
    yield orjson.dumps({"type": "FeatureCollection", **head})[:-1] + b',"features":['
    for start in range(0, len(page.rows), PIECE):
        features = [_feature(record(page, row)) for row in page.rows[start : start + PIECE]]
        yield (b"," if start else b"") + orjson.dumps(features)[1:-1]
    yield b"]}"


def _feature(properties: dict[str, Any]) -> dict[str, Any]:
    position = properties.pop("position")
    geometry = None if position is None else {"type": "Point", "coordinates": position}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_csv(page: Page, *, aggregated: bool) -> Iterator[bytes]:
    """Write RFC 4180 with a header line."""
    measured = page.aggregates if aggregated else ("value", "quality")
    columns = ["datastream", "device", "property", "unit", "time", *measured, "lon", "lat"]
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for start in range(0, len(page.rows), PIECE):
        for row in page.rows[start : start + PIECE]:
            cells = record(page, row)
            lon, lat = cells.pop("position") or (None, None)
            writer.writerow([*map(_cell, cells.values()), lon, lat])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: object) -> object:
    """Keep a text that a device chose from being run as a formula by a spreadsheet."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return "'" + value
    return value
