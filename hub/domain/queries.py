"""What is asked of a feed, and what of it may be answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from hub.domain.areas import Area, Bbox
from hub.domain.retention import Kept, Missing

RAW = timedelta()  # the resolution that asks for the readings themselves


class Cursor(NamedTuple):
    """The last row of a page: the next page begins after it."""

    datastream_id: int
    time: datetime


@dataclass(frozen=True, slots=True)
class ReadingQuery:
    """What a caller asks for; None leaves the choice to the grant.

    A resolution of `RAW` asks for raw readings. With a time zone days begin at its midnight.
    """

    since: datetime | None = None
    until: datetime | None = None
    properties: frozenset[str] | None = None
    datastreams: frozenset[int] | None = None
    bbox: Bbox | None = None
    resolution: timedelta | None = None
    cursor: Cursor | None = None
    limit: int = 1_000
    timezone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class ShapedQuery:
    """What may be answered: made by `hub.sharing.shaping` only, and all that storage accepts.

    `fixed` are datastreams whose position (if it matters) has been checked; `moving` are those
    whose readings each have a position: within every one of `areas`, and, rounded, in `bbox`.
    `starts` are those of buckets which are not all equally long. `source` is the class of history
    that answers; what of it is kept no longer is `missing`, and buckets that begin before their
    datastream's time in `whole_since` are left out, for part of them is. What is `archived` comes
    from the archive instead. The newest readings are expected after `look_first`. With `groups`
    the datastreams are groups of such, and a row is the mean over at least `min_group` of them.
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
    starts: Sequence[datetime] | None = None
    source: Kept = Kept.RAW
    missing: Sequence[Missing] = ()
    whole_since: Mapping[int, datetime] | None = None
    look_first: datetime | None = None
    archived: Sequence[Missing] = ()
    groups: Mapping[int, Sequence[int]] | None = None
    min_group: int = 0


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
    """All readings of a datastream in one bucket of time, which begins at `time`.

    `good` counts those without a quality flag; all others are over every reading.
    """

    datastream_id: int
    time: datetime
    readings: int
    mean: float | None
    min: float | None
    max: float | None
    sum: float | None = None
    first: float | None = None
    last: float | None = None
    good: int = 0


Row = Raw | Bucket


class BatchMark(NamedTuple):
    """Where a batch stands in the order of commits, and the times its readings span."""

    position: int
    id: int
    committed_at: datetime
    first_time: datetime | None
    last_time: datetime | None
