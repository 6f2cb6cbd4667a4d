"""Read readings: history, latest, and what was committed since. Only shaped queries get in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hub.domain.queries import BatchMark, Bucket, Cursor, Raw, Row, ShapedQuery
from hub.domain.retention import Kept
from hub.storage.places import polygons
from hub.storage.pool import Db
from hub.storage.sql import statement

_HISTORY_RAW = statement("readings", "history_raw")
_LATEST = statement("readings", "latest")
_BATCHES_AFTER = statement("readings", "batches_after")
_OF_BATCHES = statement("readings", "of_batches")

_SOURCES = {
    Kept.DAY: statement("readings", "history_day"),
    Kept.HOUR: statement("readings", "history_hour"),
    Kept.MINUTE: statement("readings", "history_minute"),
    Kept.RAW: statement("readings", "history_binned"),
}
# Days that begin at a full hour of UTC are made of hours, all others of minutes.
_LOCAL_SOURCES = {
    Kept.HOUR: statement("readings", "local_hour"),
    Kept.MINUTE: statement("readings", "local_minute"),
}

_GROUPED = {kept: statement("readings", f"grouped_{kept}") for kept in Kept}

_BEFORE_ALL = Cursor(0, datetime(1, 1, 1, tzinfo=UTC))  # datastream ids begin at 1


async def history(db: Db, query: ShapedQuery) -> list[Row]:
    """Return one page by (datastream, time), beginning after `query.cursor`.

    Raw readings without a resolution; otherwise buckets over [since, until), whose ends the
    shaping has put on bucket borders.
    """
    if query.resolution is None:
        return list(await _history_raw(db, query))
    if query.groups is not None:
        return list(await _grouped(db, query, query.groups))
    streams, after = _from_cursor([*query.fixed, *query.moving], query.cursor)
    local = query.starts is not None
    source = (_LOCAL_SOURCES if local else _SOURCES)[query.source]
    buckets = query.starts if local else query.resolution
    whole = query.whole_since
    rows = await db.fetch(
        source, streams, query.since, query.until, *after, buckets, query.limit,
        None if whole is None else [whole.get(stream, query.since) for stream in streams],
    )  # fmt: skip
    return [Bucket(*row) for row in rows]


async def _grouped(db: Db, query: ShapedQuery, groups: Mapping[int, Sequence[int]]) -> list[Bucket]:
    """Return means over groups, each device of one counting alike; none of fewer than allowed."""
    wanted = [(group, stream) for group in query.fixed for stream in groups[group]]
    since = max([query.since, *(query.whole_since or {}).values()])
    rows = await db.fetch(
        _GROUPED[query.source], [stream for _, stream in wanted], [group for group, _ in wanted],
        since, query.until, *(query.cursor or _BEFORE_ALL), query.resolution, query.min_group,
        query.limit,
    )  # fmt: skip
    return [Bucket(*row) for row in rows]


async def _history_raw(db: Db, query: ShapedQuery) -> list[Raw]:
    streams, after = _from_cursor([*query.fixed, *query.moving], query.cursor)
    box = query.bbox or (None, None, None, None)
    rows = await db.fetch(
        _HISTORY_RAW, streams, query.since, query.until, *after, query.position_decimals, *box,
        list(query.fixed), query.limit, polygons(query.areas),
    )  # fmt: skip
    return [Raw(*row) for row in rows]


def _from_cursor(streams: Sequence[int], cursor: Cursor | None) -> tuple[list[int], Cursor]:
    """Leave out the datastreams that earlier pages have finished."""
    after = cursor or _BEFORE_ALL
    return sorted(stream for stream in streams if stream >= after.datastream_id), after


async def latest(db: Db, query: ShapedQuery) -> list[Row]:
    """Return the newest row of every datastream within [since, until): a reading or a bucket."""
    if query.resolution is not None:
        newest: dict[int, Row] = {}
        # Every bucket of every datastream: a page's limit would leave out the last datastreams.
        buckets = (query.until - query.since) // query.resolution
        most = (len(query.fixed) + len(query.moving)) * buckets
        for row in await history(db, replace(query, limit=most)):
            newest[row.datastream_id] = row  # rows come in the order of time
        return list(newest.values())
    found = await _latest_raw(db, query)
    fixed = frozenset(query.fixed)
    return [row for row in found if row.datastream_id in fixed or _inside(row, query)]


async def _latest_raw(db: Db, query: ShapedQuery) -> list[Raw]:
    """Look at the newest days first: what is found there needs no look at all the other chunks."""
    wanted, until, found = {*query.fixed, *query.moving}, query.until, []
    for since in (max(query.look_first or query.since, query.since), query.since):
        rows = await db.fetch(
            _LATEST, list(wanted), since, until, query.position_decimals, list(query.fixed),
            polygons(query.areas),
        )  # fmt: skip
        found += [Raw(*fields) for *fields, is_let_through in rows if is_let_through]
        wanted -= {row["datastream_id"] for row in rows}
        if not wanted or since <= query.since:
            break
        until = min(until, since)
    return sorted(found)


def _inside(row: Raw, query: ShapedQuery) -> bool:
    box = query.bbox
    if box is None or row.lon is None or row.lat is None:
        return box is None
    return box.west <= row.lon <= box.east and box.south <= row.lat <= box.north


async def batches_after(db: Db, position: int, limit: int) -> list[BatchMark]:
    return [BatchMark(*row) for row in await db.fetch(_BATCHES_AFTER, position, limit)]


async def of_batches(db: Db, query: ShapedQuery, batches: Sequence[BatchMark]) -> list[Raw]:
    """Return the readings of these batches that lie within the query, by time."""
    times = [t for batch in batches for t in (batch.first_time, batch.last_time) if t is not None]
    if not times:
        return []
    rows = await db.fetch(
        _OF_BATCHES, [batch.id for batch in batches], [*query.fixed, *query.moving],
        max(min(times), query.since), max(times), query.until, query.position_decimals,
        list(query.fixed), polygons(query.areas),
    )  # fmt: skip
    return [Raw(*row) for row in rows]
