"""What is asked of a feed, and what of it may be answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from hub.domain.areas import Area, Bbox

RAW = timedelta()  # the resolution that asks for the readings themselves


class Cursor(NamedTuple):
    """The last row of a page: the next page begins after it."""

    datastream_id: int
    time: datetime


@dataclass(frozen=True, slots=True)
class ReadingQuery:
    """What a caller asks for; None leaves the choice to the grant.

    A resolution of `RAW` asks for raw readings.
    """

    since: datetime | None = None
    until: datetime | None = None
    properties: frozenset[str] | None = None
    datastreams: frozenset[int] | None = None
    bbox: Bbox | None = None
    resolution: timedelta | None = None
    cursor: Cursor | None = None
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class ShapedQuery:
    """What may be answered: made by `hub.sharing.shaping` only, and all that storage accepts.

    `fixed` are datastreams whose position (if it matters) has been checked; `moving` are those
    whose readings each have a position: within every one of `areas`, and, rounded, in `bbox`.
    """

    fixed: Sequence[int]
    moving: Sequence[int]
    since: datetime
    until: datetime
    bbox: Bbox | None
    resolution: timedelta | None
    position_decimals: int | None
    cursor: Cursor | None
    limit: int
    areas: Sequence[Area] = ()


class Raw(NamedTuple):
    """A reading on its way out; `lon` and `lat` only where the device moves."""

    datastream_id: int
    time: datetime
    value: float | None
    text: str | None
    quality: int
    lon: float | None
    lat: float | None


class Bucket(NamedTuple):
    """All readings of a datastream in one bucket of time, which begins at `time`."""

    datastream_id: int
    time: datetime
    readings: int
    mean: float | None
    min: float | None
    max: float | None


Row = Raw | Bucket


class BatchMark(NamedTuple):
    """Where a batch stands in the order of commits, and the times its readings span."""

    position: int
    id: int
    committed_at: datetime
    first_time: datetime | None
    last_time: datetime | None
