"""What of a question may be answered? The only place where a grant becomes a query."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.domain.areas import Bbox
from hub.domain.durations import Grid, bucket_floor, format_duration
from hub.domain.queries import RAW, ReadingQuery, ShapedQuery
from hub.domain.retention import Forgotten, missing, source_of
from hub.domain.sensing import Datastream, Position
from hub.domain.sharing import Grant, Shape
from hub.errors import BadRequest, NotFound, OutsideGrant

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_PERIOD = timedelta(days=1)  # what `readings` without `from` looks back
RECENT = timedelta(days=2)  # where the newest reading of all but silent devices is
MAX_BUCKETS = 2_000_000  # per question: a year of minutes of four datastreams


def shape_history(
    grant: Grant, streams: Iterable[Datastream], asked: ReadingQuery, now: datetime
) -> ShapedQuery:
    """Narrow a question about history to what the grant lets through.

    Without `from` it looks back one day from `to`. Raises OutsideGrant where the question is
    finer than the right, NotFound for a property or datastream that the grant does not contain.
    """
    _refuse_parts_of_groups(grant.shape, asked)
    grid = _grid(_resolution(grant.shape, asked.resolution), asked.timezone)
    until = asked.until or now
    since = asked.since or until - DEFAULT_PERIOD
    if asked.since and asked.until and asked.since >= asked.until:
        raise BadRequest(
            f"'from' ({asked.since.isoformat()}) must be before 'to' ({asked.until.isoformat()})"
        )
    return _shaped(grant, streams, asked, _window(grant.shape, grid, since, until, now))


def shape_latest(
    grant: Grant, streams: Iterable[Datastream], asked: ReadingQuery, now: datetime
) -> ShapedQuery:
    """Narrow a question about the newest values; aggregates look back a hundred buckets."""
    _refuse_parts_of_groups(grant.shape, asked)
    resolution = _resolution(grant.shape, asked.resolution)
    back = now - BEGINNING if resolution is None else min(100 * resolution, now - BEGINNING)
    window = _window(grant.shape, _grid(resolution, None), now - back, _AFTER_ALL, now)
    look_first = now - grant.shape.delay - RECENT
    return replace(_shaped(grant, streams, asked, window), look_first=look_first)


def shape_stream(
    grant: Grant, streams: Iterable[Datastream], asked: ReadingQuery, now: datetime
) -> ShapedQuery:
    """Narrow a stream, which carries raw readings and so needs a right to them."""
    if grant.shape.finest_resolution is not None:
        finest = format_duration(grant.shape.finest_resolution)
        raise OutsideGrant(
            f"a stream carries raw readings and your agreement gives {finest} at the finest: poll "
            f"/readings?resolution={finest} instead"
        )
    return _shaped(grant, streams, asked, _window(grant.shape, None, BEGINNING, _AFTER_ALL, now))


def shorten(query: ShapedQuery, streams: Mapping[int, Datastream], gone: Forgotten) -> ShapedQuery:
    """Say what of a question is kept no longer, and leave out buckets that are kept in part."""
    names = {id_: streams[id_].property for id_ in (*query.fixed, *query.moving)}
    lost = missing(list(names.values()), query.source, query.since, gone)
    if not lost:
        return query
    before = {property_: time for property_, time, _ in lost}
    whole = {id_: before.get(name, query.since) for id_, name in names.items()}
    return replace(query, missing=lost, whole_since=whole)


FIRST_GROUP = 2_000_000_000  # no datastream is numbered so high


def grouped(
    streams: Iterable[Datastream],
) -> tuple[dict[int, Datastream], dict[int, list[int]]]:
    """Put what observes the same property into one group each; return them, and their members.

    A group is always all that a feed has, the same for everybody: groups that overlap would tell of
    their difference, and with it of one device.
    """
    by_property: dict[str, list[Datastream]] = {}
    for stream in streams:
        by_property.setdefault(stream.property, []).append(stream)
    groups, members = {}, {}
    for number, (name, held) in enumerate(sorted(by_property.items()), FIRST_GROUP):
        unit = held[0].unit
        groups[number] = Datastream(number, "*", "all devices", "group", name, unit, None, False)
        members[number] = [stream.id for stream in held]
    return groups, members


def without_area(grant: Grant) -> Grant:
    """Return a grant to what lies within its area, once that has been looked at."""
    shape, feed = replace(grant.shape, area=None), replace(grant.feed, area=None)
    return replace(grant, shape=shape, feed=feed)


def _refuse_parts_of_groups(shape: Shape, asked: ReadingQuery) -> None:
    """Refuse what would cut a group or a bucket in two: the difference would tell of one."""
    if shape.min_group is None:
        return
    if asked.bbox is not None or asked.datastreams is not None:
        raise OutsideGrant(
            f"your agreement gives means over at least {shape.min_group} devices together: leave "
            "'bbox' and 'datastream' out"
        )
    finest = shape.finest_resolution
    if finest is not None and (asked.resolution not in (None, finest) or asked.timezone):
        raise OutsideGrant(
            f"your agreement gives groups by {format_duration(finest)} and by nothing else: make "
            "coarser means from these"
        )


def reach_back(query: ShapedQuery, oldest: datetime | None) -> ShapedQuery:
    """Let readings that are kept no longer come from an archive, which begins at `oldest`."""
    if not query.missing or query.resolution is not None or oldest is None:
        return query
    still = () if oldest <= query.since else [m._replace(before=oldest) for m in query.missing]
    reached = [lost for lost in query.missing if lost.before > oldest]
    return replace(query, archived=reached, missing=still) if reached else query


_AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)

_Window = tuple[datetime, datetime, Grid | None]


def _grid(resolution: timedelta | None, zone: ZoneInfo | None) -> Grid | None:
    """Return where the buckets begin, None for raw readings."""
    if zone is not None and (resolution is None or resolution % timedelta(days=1)):
        raise BadRequest(
            "'timezone' says where days begin: give it with a resolution of whole days, such as "
            "P1D; shorter buckets begin at the same instants everywhere"
        )
    return None if resolution is None else Grid(resolution, zone)


def _resolution(shape: Shape, asked: timedelta | None) -> timedelta | None:
    """Return the width of the buckets to answer with, None for raw readings."""
    finest = shape.finest_resolution
    if finest is None:
        return asked or None
    if asked is None:
        return finest
    if asked < finest:
        wanted = "raw readings" if asked == RAW else format_duration(asked)
        raise OutsideGrant(
            f"{wanted} is finer than your agreement gives: ask for "
            f"resolution={format_duration(finest)} or coarser"
        )
    if asked % finest:
        # PT20M minus PT15M would tell five minutes.
        raise OutsideGrant(
            f"{format_duration(asked)} is not a whole multiple of {format_duration(finest)}, the "
            f"finest that your agreement gives: ask for {format_duration(2 * finest)}, for example"
        )
    return asked


def _window(
    shape: Shape, grid: Grid | None, since: datetime, until: datetime, now: datetime
) -> _Window:
    """Cut a range of time to what history and delay let through, on bucket borders."""
    newest = now - shape.delay if shape.delay else _AFTER_ALL
    oldest = now - shape.history if shape.history else BEGINNING
    if grid is None:
        return max(since, oldest), min(until, newest), None
    if shape.delay or shape.finest_resolution:
        # A bucket that still fills would tell, when asked twice, what came in between.
        newest = grid.floor(min(newest, now))
    oldest = grid.ceil(oldest)
    since = max(grid.floor(max(since, BEGINNING)), oldest)
    until = min(grid.ceil(min(until, now + grid.width)), newest)
    return since, until, grid


def _starts(
    shape: Shape, grid: Grid | None, since: datetime, until: datetime
) -> list[datetime] | None:
    """Return where local days begin; they must be made of whole buckets of the finest granted."""
    if grid is None or grid.zone is None:
        return None
    starts, finest = list(grid.starts(since, until)), shape.finest_resolution
    if finest is not None and any(bucket_floor(s, finest) != s for s in (*starts, until)):
        # A day of UTC minus one of Stockholm would tell an hour.
        raise OutsideGrant(
            f"days of {grid.zone.key} begin within a bucket of {format_duration(finest)}, the "
            "finest that your agreement gives: leave 'timezone' out"
        )
    return starts


def _shaped(
    grant: Grant, streams: Iterable[Datastream], asked: ReadingQuery, window: _Window
) -> ShapedQuery:
    since, until, grid = window
    resolution = None if grid is None else grid.width
    chosen = _chosen(grant, list(streams), asked)
    decimals = grant.shape.position_decimals
    moving = [s.id for s in chosen if s.moving]
    fixed = [s for s in chosen if not s.moving]
    if asked.bbox is not None:
        fixed = [s for s in fixed if _is_inside(s, asked.bbox, decimals)]
    if resolution is not None and (asked.bbox is not None or grant.areas):
        moving = []  # a bucket has no position: it may have driven all over the city
    _refuse_too_many(len(fixed) + len(moving), since, until, resolution)
    starts = _starts(grant.shape, grid, since, until)
    return ShapedQuery(
        [s.id for s in fixed],
        moving,
        since,
        max(since, until),
        asked.bbox,
        resolution,
        decimals,
        asked.cursor,
        asked.limit,
        grant.areas,
        starts,
        source_of(resolution, starts or ()),
    )


def _chosen(grant: Grant, streams: Sequence[Datastream], asked: ReadingQuery) -> list[Datastream]:
    granted = permitted(grant, streams)
    for name in sorted(asked.properties or ()):
        if all(s.property != name for s in granted):
            raise NotFound(
                f"this feed has no property '{name}' for you; it has "
                + (", ".join(sorted({s.property for s in granted})) or "none")
            )
    for number in sorted(asked.datastreams or ()):
        if all(s.id != number for s in granted):
            raise NotFound(f"this feed has no datastream {number} for you; see …/datastreams")
    return [
        s
        for s in granted
        if (asked.properties is None or s.property in asked.properties)
        and (asked.datastreams is None or s.id in asked.datastreams)
    ]


def _refuse_too_many(
    streams: int, since: datetime, until: datetime, resolution: timedelta | None
) -> None:
    if resolution is None or until <= since:
        return
    buckets = streams * ((until - since) // resolution)
    if buckets > MAX_BUCKETS:
        raise BadRequest(
            f"that would be up to {buckets} buckets, {MAX_BUCKETS} are allowed: ask for a shorter "
            "time, a coarser resolution, or fewer datastreams"
        )


def _is_inside(stream: Datastream, bbox: Bbox, decimals: int | None) -> bool:
    position = rounded(stream.position, decimals)
    return position is not None and bbox.holds(position)


def permitted(grant: Grant, streams: Iterable[Datastream]) -> list[Datastream]:
    """Return the datastreams whose existence the grant lets through."""
    return [s for s in streams if withheld(grant, s) is None]


def withheld(grant: Grant, stream: Datastream) -> str | None:
    """Return why a grant does not let a datastream through, None if it does.

    What moves is let through; where it was decides about each of its readings.
    """
    chosen = grant.shape.properties
    if chosen is not None and stream.property not in chosen:
        return f"the agreement does not cover '{stream.property}'"
    if grant.areas and not stream.moving:
        if stream.position is None:
            return "it has no position, and there is an area"
        if not all(area.holds(stream.position) for area in grant.areas):
            return "it stands outside the area"
    return None


def rounded(position: Position | None, decimals: int | None) -> Position | None:
    """Return a position in the precision of the grant."""
    if position is None or decimals is None:
        return position
    return Position(round(position.lon, decimals), round(position.lat, decimals))
