"""What does the caller ask? Query parameters to a question, or an error that says what is right."""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Depends, Query

from hub.api.deps import TheHub
from hub.domain.areas import Bbox
from hub.domain.durations import parse_duration
from hub.domain.queries import RAW, Cursor, ReadingQuery
from hub.errors import BadRequest

DEFAULT_LIMIT = 1_000
LIMIT_DIGITS = 9
MAX_ID = 2**31 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)$", re.ASCII)


def _selection(
    *,
    properties: Annotated[
        list[str] | None,
        Query(alias="property", description="only these observed properties; may be repeated"),
    ] = None,
    datastream: Annotated[
        list[int] | None, Query(description="only these datastreams; may be repeated")
    ] = None,
    bbox: Annotated[
        str | None, Query(description="west,south,east,north in degrees, such as 17.9,59.4,18,59.5")
    ] = None,
) -> ReadingQuery:  # fmt: skip
    return ReadingQuery(
        properties=frozenset(properties) if properties else None,
        datastreams=frozenset(datastream) if datastream else None,
        bbox=_bbox(bbox) if bbox is not None else None,
    )


def _question(
    hub: TheHub,
    selection: Annotated[ReadingQuery, Depends(_selection)],
    *,
    since: Annotated[
        str | None,
        Query(alias="from", description="first instant, ISO 8601 with offset; default one day ago"),
    ] = None,
    until: Annotated[
        str | None, Query(alias="to", description="first instant after; default now")
    ] = None,
    resolution: Annotated[
        str | None,
        Query(
            description="`raw`, or a duration such as PT15M, PT1H, P1D; default the finest granted"
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        Query(description="where days begin, such as Europe/Stockholm, DST heeded; default UTC"),
    ] = None,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
    cursor: Annotated[str | None, Query(description="taken from `next` of the page before")] = None,
) -> ReadingQuery:
    return ReadingQuery(
        since=parse_time("from", since),
        until=parse_time("to", until),
        properties=selection.properties,
        datastreams=selection.datastreams,
        bbox=selection.bbox,
        resolution=_resolution(resolution),
        cursor=_cursor(cursor),
        limit=parse_limit(limit, hub.max_limit),
        timezone=_timezone(timezone),
    )


Selection = Annotated[ReadingQuery, Depends(_selection)]
Question = Annotated[ReadingQuery, Depends(_question)]


def parse_time(name: str, text: str | None) -> datetime | None:
    """Read an ISO 8601 time with offset; raise BadRequest naming the parameter."""
    if text is None:
        return None
    # In a URL an unescaped + reads as a space: 09:00:00 01:00 can only mean the offset.
    text = _LOST_PLUS.sub(r"\1+\2", text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"'{name}' is not an ISO 8601 time: write 2026-11-23T09:00:00Z") from error
    if time.tzinfo is None:
        raise BadRequest(f"'{name}' has no offset: end it with Z or, written in a URL, %2B01:00")
    if not 1 < time.year < 9999:  # noqa: PLR2004  room for any offset and any bucket
        raise BadRequest(f"'{name}' is out of range: years 2 to 9998")
    return time.astimezone(UTC)


def _resolution(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text == "raw":
        return RAW
    try:
        return parse_duration(text)
    except ValueError as error:
        raise BadRequest(f"'resolution': {error}, or raw") from error


def _timezone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    if name not in _zones():
        raise BadRequest(
            f"'timezone' must be a name of the IANA database such as Europe/Stockholm, not "
            f"{name[:40]!r}"
        )
    return None if name == "UTC" else ZoneInfo(name)


@cache
def _zones() -> set[str]:
    return available_timezones()


def parse_limit(text: str | None, most: int) -> int:
    """Read a number of rows; raise BadRequest saying what is allowed."""
    if text is None:
        return min(DEFAULT_LIMIT, most)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= LIMIT_DIGITS else 0
    if not 1 <= number <= most:
        raise BadRequest(f"'limit' must be a whole number from 1 to {most}; follow `next` for more")
    return number


def _bbox(text: str) -> Bbox:
    wanted = "'bbox' must be west,south,east,north in degrees, such as 17.9,59.4,18.0,59.5"
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as error:
        raise BadRequest(wanted) from error
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004
        raise BadRequest(f"{wanted}: west before east, south before north")
    return Bbox(west, south, east, north)


def write_cursor(cursor: Cursor) -> str:
    """Write a cursor as the opaque text that clients hand back."""
    microseconds = (cursor.time - EPOCH) // timedelta(microseconds=1)
    raw = f"{cursor.datastream_id}.{microseconds}".encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        stream, _, microseconds = raw.decode("ascii").partition(".")
        cursor = Cursor(int(stream), EPOCH + timedelta(microseconds=int(microseconds)))
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadRequest(
            "'cursor' cannot be read: take it, unchanged, from `next` of the page before"
        ) from error
    if not 0 <= cursor.datastream_id <= MAX_ID:
        raise BadRequest("'cursor' names no datastream: take it from `next` of the page before")
    return cursor
