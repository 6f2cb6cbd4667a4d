"""What should somebody see? Worked out anew from the agreements, without any of the hub's code."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.leaks.world import PUBLIC, Feed, Measured, Right, Stream, World

MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
SERVED = ("published", "deprecated")
EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Sight:
    """What one organisation sees of one feed: everything as its owner, else through a right."""

    feed: Feed
    right: Right | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row as any channel should show it; `value` is a mean where `count` is not None."""

    stream: int
    time: datetime
    value: float
    count: int | None
    position: tuple[float, float] | None


def sight(world: World, feed: Feed, who: str, now: datetime) -> Sight | None:
    """Return what an organisation sees of a feed, None for nothing at all."""
    if who == feed.owner:
        return Sight(feed, None)
    if feed.state not in SERVED:
        return None
    for consumer in (who, PUBLIC):
        for right in feed.rights:
            begins = world.now + right.begins
            ends = None if right.ends is None else world.now + right.ends
            in_time = begins <= now and (ends is None or now < ends)
            if right.consumer == consumer and right.state == "active" and in_time:
                return Sight(feed, right)
    return None


def streams(seen: Sight) -> Iterator[Stream]:
    """Yield the datastreams that exist for somebody."""
    feed, right = seen.feed, seen.right
    for stream in feed.streams:
        if feed.properties is not None and stream.property not in feed.properties:
            continue
        if feed.tags is not None and not set(feed.tags) & set(stream.tags):
            continue
        if right is not None and right.properties and stream.property not in right.properties:
            continue
        if not stream.moving and not all(_within(stream.position, box) for box in _boxes(seen)):
            continue
        yield stream


def raw(
    seen: Sight, now: datetime, since: datetime, until: datetime | None = None
) -> list[Row] | None:
    """Return every reading since; None where the right gives aggregates only."""
    right = seen.right
    if right is not None and right.finest is not None:
        return None
    oldest = now - right.history if right and right.history else EVER
    newest = now - right.delay if right and right.delay else None
    rows = []
    for stream in streams(seen):
        for reading in stream.readings:
            if reading.time < max(since, oldest):
                continue
            if any(end is not None and reading.time >= end for end in (newest, until)):
                continue
            if stream.moving and not all(_within(reading.position, box) for box in _boxes(seen)):
                continue
            place = reading.position if stream.moving else stream.position
            rows.append(Row(stream.id, reading.time, reading.value, None, _rounded(seen, place)))
    return sorted(rows, key=lambda row: (row.stream, row.time))


def buckets(seen: Sight, now: datetime, since: datetime, width: timedelta) -> list[Row] | None:
    """Return the means of whole buckets; None where that is finer than the right, or across it."""
    right = seen.right
    if (
        right is not None
        and right.finest is not None
        and (width < right.finest or width % right.finest)
    ):
        return None
    oldest = now - right.history if right and right.history else EVER
    first = max(_floor(since, width), _ceil(oldest, width))
    closed_only = right is not None and (right.finest is not None or bool(right.delay))
    delay = right.delay if right else timedelta()
    end = _floor(now - delay, width) if closed_only else _ceil(now, width)
    rows = []
    for stream in streams(seen):
        if stream.moving and _boxes(seen):
            continue
        found: dict[datetime, list[Measured]] = {}
        for reading in stream.readings:
            start = _floor(reading.time, width)
            if first <= start < end:
                found.setdefault(start, []).append(reading)
        place = None if stream.moving else _rounded(seen, stream.position)
        for start, held in sorted(found.items()):
            mean = sum(one.value for one in held) / len(held)
            rows.append(Row(stream.id, start, mean, len(held), place))
    return sorted(rows, key=lambda row: (row.stream, row.time))


def latest(seen: Sight, now: datetime) -> list[Row]:
    """Return the newest row of each datastream: of its readings, or of its whole buckets."""
    right = seen.right
    if right is not None and right.finest is not None:
        back = now - 100 * right.finest
        rows = buckets(seen, now, back, right.finest) or []
        return [row for row, following in _with_next(rows) if following is None]
    oldest = now - right.history if right and right.history else EVER
    newest = now - right.delay if right and right.delay else None
    found = []
    for stream in streams(seen):
        held = [
            one
            for one in stream.readings
            if one.time >= oldest and (newest is None or one.time < newest)
        ]
        if not held:
            continue
        last = max(held, key=lambda one: one.time)
        if stream.moving and not all(_within(last.position, box) for box in _boxes(seen)):
            continue  # it is elsewhere now
        place = last.position if stream.moving else stream.position
        found.append(Row(stream.id, last.time, last.value, None, _rounded(seen, place)))
    return sorted(found, key=lambda row: row.stream)


def position_of(seen: Sight, stream: Stream) -> tuple[float, float] | None:
    """Return where a datastream is listed to be."""
    return None if stream.moving else _rounded(seen, stream.position)


def _with_next(rows: Sequence[Row]) -> Iterator[tuple[Row, Row | None]]:
    """Yield each row with the next of the same datastream."""
    for place, row in enumerate(rows):
        after = rows[place + 1] if place + 1 < len(rows) else None
        yield row, after if after is not None and after.stream == row.stream else None


def _boxes(seen: Sight) -> list[tuple[float, float, float, float]]:
    boxes = [seen.feed.box, seen.right.box if seen.right else None]
    return [box for box in boxes if box is not None]


def _within(place: tuple[float, float] | None, box: tuple[float, float, float, float]) -> bool:
    west, south, east, north = box
    return place is not None and west < place[0] < east and south < place[1] < north


def _rounded(seen: Sight, place: tuple[float, float] | None) -> tuple[float, float] | None:
    decimals = seen.right.decimals if seen.right else None
    if place is None or decimals is None:
        return place
    return (round(place[0], decimals), round(place[1], decimals))


def _floor(time: datetime, width: timedelta) -> datetime:
    return time - (time - MONDAY) % width


def _ceil(time: datetime, width: timedelta) -> datetime:
    floor = _floor(time, width)
    return floor if floor == time else floor + width
