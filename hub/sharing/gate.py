"""The gate: every channel gets its rows here, from a grant and a question, and nowhere else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from hub.domain.identity import is_slug
from hub.domain.queries import BatchMark, Raw, ReadingQuery, Row, ShapedQuery
from hub.domain.reads import Read, Way
from hub.domain.retention import Forgotten
from hub.domain.sensing import Datastream, Position
from hub.domain.sharing import Agreement, Feed, Grant, Principal, ReadRule, Scope
from hub.errors import NotAuthenticated, NotFound, NotPermitted
from hub.sharing.access import Denial, Why, decide
from hub.sharing.shaping import (
    grouped,
    permitted,
    reach_back,
    rounded,
    shape_history,
    shape_latest,
    shape_stream,
    shorten,
    without_area,
)


class Records(Protocol):
    """What the gate needs of the store; `hub.storage.records` is it."""

    async def feed(self, feed_id: str) -> Feed | None: ...
    async def candidate_feeds(self, organisation: str) -> list[Feed]: ...
    async def listed_feeds(self) -> list[Feed]: ...
    async def agreements(self, feeds: Sequence[str], organisation: str) -> list[Agreement]: ...
    async def datastreams(self, feed_id: str) -> list[Datastream]: ...
    async def history(self, query: ShapedQuery) -> list[Row]: ...
    async def latest(self, query: ShapedQuery) -> list[Row]: ...
    async def forgotten(self) -> Forgotten: ...
    async def archived_since(self) -> datetime | None: ...
    async def of_batches(self, query: ShapedQuery, batches: Sequence[BatchMark]) -> list[Raw]: ...
    async def put_on_record(self, read: Read) -> None: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A feed as one principal may see it, with the datastreams it lets through by id.

    Where only groups may be seen, these stand in the place of datastreams; `groups` holds their
    members.
    """

    reader: Principal
    grant: Grant
    streams: Mapping[int, Datastream]
    groups: Mapping[int, Sequence[int]] | None = None


def check_may_read(principal: Principal) -> None:
    """Raise NotPermitted for a key that may not read anything."""
    if not principal.is_anonymous and Scope.READ not in principal.scopes:
        raise NotPermitted(Why.NO_SCOPE)


async def readable(records: Records, principal: Principal, now: datetime) -> list[Grant]:
    """Return a grant for every feed that the principal may read, by feed id."""
    feeds = await records.candidate_feeds(principal.organisation)
    agreements = await records.agreements([f.id for f in feeds], principal.organisation)
    decisions = [decide(principal, feed, agreements, now) for feed in feeds]
    return [decision for decision in decisions if isinstance(decision, Grant)]


async def grant_for(records: Records, principal: Principal, feed_id: str, now: datetime) -> Grant:
    """Return the principal's grant to a feed.

    Without a right a stranger learns nothing, not even that the feed exists: NotAuthenticated for
    someone unknown, NotFound for someone known. NotPermitted if only the key's scope is missing.
    """
    check_may_read(principal)  # before the feed is looked for: its absence must not show
    known = is_slug(feed_id)
    feed = await records.feed(feed_id) if known else None
    agreements = await records.agreements([feed_id], principal.organisation) if known else []
    decision: Grant | Denial = Denial(Why.NO_AGREEMENT)
    if feed is not None:
        decision = decide(principal, feed, agreements, now)
    if isinstance(decision, Grant):
        return decision
    if principal.is_anonymous:
        raise NotAuthenticated(
            "this feed is not open to everyone: send your key as 'Authorization: Bearer stn_…'"
        )
    raise NotFound(f"there is no feed '{feed_id}' that you may read; see /api/v1/feeds")


async def open_feed(records: Records, principal: Principal, feed_id: str, now: datetime) -> Opened:
    """Return the feed's grant and the datastreams it lets through. Raises as `grant_for`."""
    grant = await grant_for(records, principal, feed_id, now)
    streams = permitted(grant, await records.datastreams(feed_id))
    if grant.shape.min_group is not None:
        return Opened(principal, without_area(grant), *grouped(streams))
    return Opened(principal, grant, {stream.id: stream for stream in streams})


async def history(
    records: Records, opened: Opened, asked: ReadingQuery, now: datetime
) -> tuple[ShapedQuery, list[Row]]:
    """Return one page of readings or buckets, and the question as it was answered."""
    query = shape_history(opened.grant, opened.streams.values(), asked, now)
    query = replace(query, groups=opened.groups, min_group=opened.grant.shape.min_group or 0)
    query = shorten(query, opened.streams, await records.forgotten())
    query = reach_back(query, await records.archived_since())
    rows = await records.history(query)
    await _put_on_record(
        records, Read(opened.reader, opened.grant, Way.READINGS, asked, query, rows, now)
    )
    return query, rows


async def latest(
    records: Records, opened: Opened, asked: ReadingQuery, now: datetime
) -> tuple[ShapedQuery, list[Row]]:
    """Return the newest reading or bucket of each datastream."""
    query = shape_latest(opened.grant, opened.streams.values(), asked, now)
    query = replace(query, groups=opened.groups, min_group=opened.grant.shape.min_group or 0)
    if query.resolution is not None:
        query = shorten(query, opened.streams, await records.forgotten())
    rows = await records.latest(query)
    await _put_on_record(
        records, Read(opened.reader, opened.grant, Way.LATEST, asked, query, rows, now)
    )
    return query, rows


async def committed(
    records: Records,
    opened: Opened,
    asked: ReadingQuery,
    batches: Sequence[BatchMark],
    now: datetime,
) -> list[Raw]:
    """Return what these batches brought to the feed."""
    query = shape_stream(opened.grant, opened.streams.values(), asked, now)
    rows = await records.of_batches(query, batches)
    if rows:  # silence delivers nothing
        await _put_on_record(
            records, Read(opened.reader, opened.grant, Way.STREAM, asked, query, rows, now)
        )
    return rows


async def _put_on_record(records: Records, read: Read) -> None:
    """Record a read where the feed's rule says so, before anybody gets the rows.

    What everyone may read without saying who they are has nobody to put on record.
    """
    if read.rule is not ReadRule.NONE and not read.reader.is_anonymous:
        await records.put_on_record(read)


def position_of(opened: Opened, row: Row) -> Position | None:
    """Return where a row was measured, in the precision of the grant."""
    if isinstance(row, Raw) and row.lon is not None and row.lat is not None:
        return Position(row.lon, row.lat)  # rounded by the query already
    stream = opened.streams[row.datastream_id]
    if stream.moving:
        return None
    return rounded(stream.position, opened.grant.shape.position_decimals)
