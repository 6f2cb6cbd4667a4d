"""The feeds that a caller may read: what they are, what they hold, and what is new."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from hub.api.asking import Question, Selection, write_cursor
from hub.api.auth import key_of
from hub.api.deps import Caller, FeedId, TheHub, TheRecords
from hub.api.formats import (
    MEDIA_TYPES,
    Format,
    Page,
    choose_aggregates,
    choose_format,
    write_csv,
    write_geojson,
    write_json,
    write_time,
)
from hub.api.metrics import DELIVERED
from hub.api.stream import Subscription, begin_at, follow, open_subscription
from hub.domain.areas import geojson
from hub.domain.durations import format_duration
from hub.domain.queries import Cursor, Row, ShapedQuery
from hub.domain.retention import WIDTHS, Missing
from hub.domain.sharing import Feed, Grant, Shape
from hub.sharing import gate
from hub.sharing.shaping import rounded

router = APIRouter(prefix="/api/v1/feeds", tags=["feeds"])

FormatChoice = Annotated[
    str | None, Query(alias="format", description="json, csv or geojson; default by Accept")
]
AggregateChoice = Annotated[
    list[str] | None,
    Query(description="of mean, min, max, count, sum, first, last, good; default four"),
]
Accept = Annotated[str, Header()]


@router.get("", summary="The feeds you may read")
async def feeds(
    records: TheRecords,
    caller: Caller,
    hub: TheHub,
    *,
    listed: Annotated[bool, Query(description="also those that you may ask for")] = False,
) -> dict[str, Any]:
    """Without a key: the open feeds. With one: also your own and those agreed with you.

    `listed=true` adds, as `may_be_asked_for`, what others offer to agree on.
    """
    gate.check_may_read(caller)
    grants = await gate.readable(records, caller, hub.now())
    told: dict[str, Any] = {"feeds": [_feed(grant) for grant in grants]}
    if listed:
        own = {grant.feed.id for grant in grants}
        others = [feed for feed in await records.listed_feeds() if feed.id not in own]
        told["may_be_asked_for"] = [_described(feed) for feed in others]
    return told


@router.get("/{feed}", summary="One feed, and what of it you may read")
async def feed(feed: FeedId, records: TheRecords, caller: Caller, hub: TheHub) -> dict[str, Any]:
    return _feed(await gate.grant_for(records, caller, feed, hub.now()))


@router.get("/{feed}/datastreams", summary="What a feed consists of")
async def datastreams(
    feed: FeedId, records: TheRecords, caller: Caller, hub: TheHub
) -> dict[str, Any]:
    """Return device, observed property, unit (UCUM) and position of each datastream."""
    opened = await gate.open_feed(records, caller, feed, hub.now())
    decimals = opened.grant.shape.position_decimals
    return {
        "feed": feed,
        "datastreams": [
            {
                "id": s.id,
                "device": s.device,
                "name": s.device_name,
                "kind": s.kind,
                "property": s.property,
                "unit": s.unit,
                "moving": s.moving,
                "position": None if s.moving else rounded(s.position, decimals),
            }
            for s in opened.streams.values()
        ],
    }


@router.get("/{feed}/latest", summary="The newest value of each datastream")
async def latest(
    feed: FeedId,
    asked: Selection,
    records: TheRecords,
    caller: Caller,
    hub: TheHub,
    *,
    chosen: FormatChoice = None,
    accept: Accept = "*/*",
) -> StreamingResponse:
    """Where your agreement gives aggregates only: the newest whole bucket of the finest width."""
    form = choose_format(chosen, accept)
    opened = await gate.open_feed(records, caller, feed, hub.now())
    query, rows = await gate.latest(records, opened, asked, hub.now())
    head = {"feed": feed, "resolution": _resolution(query)}
    response = _respond(form, head, _page(opened, rows, ()), query, "latest")
    return _warned(response, opened.grant.feed)


@router.get("/{feed}/readings", summary="Readings, or their aggregates, over a time")
async def readings(
    feed: FeedId,
    asked: Question,
    records: TheRecords,
    caller: Caller,
    *,
    hub: TheHub,
    request: Request,
    aggregate: AggregateChoice = None,
    chosen: FormatChoice = None,
    accept: Accept = "*/*",
) -> StreamingResponse:
    """Ordered by datastream, then time. Follow `next`, or the Link header, until there is none."""
    form, aggregates = choose_format(chosen, accept), choose_aggregates(aggregate or ())
    opened = await gate.open_feed(records, caller, feed, hub.now())
    # One row more than asked tells whether another page follows.
    one_more = replace(asked, limit=asked.limit + 1)
    query, rows = await gate.history(records, opened, one_more, hub.now())
    page = _page(opened, rows[: asked.limit], aggregates)
    following = _next(request, query, page.rows) if len(rows) > asked.limit else None
    head = {
        "feed": feed,
        "resolution": _resolution(query),
        "timezone": asked.timezone.key if asked.timezone else "UTC",
        "source": query.source,
        "missing": [_missing(lost) for lost in query.missing],
        "archived": [
            {"property": one.property, "before": write_time(one.before)} for one in query.archived
        ],
        "from": write_time(query.since),
        "to": write_time(query.until),
        "next": following,
    }
    return _warned(_respond(form, head, page, query, "readings"), opened.grant.feed)


@router.get(
    "/{feed}/stream", summary="Readings as they are stored", response_class=StreamingResponse
)
async def stream(
    request: Request,
    feed: FeedId,
    asked: Selection,
    hub: TheHub,
    last_event_id: Annotated[str | None, Header(description="resume after this event")] = None,
) -> StreamingResponse:
    """Server-sent events: `ready`, then `readings` with a list of them for each commit.

    The id of an event is the position to resume from, on this process or any other. `heartbeat`
    comes when nothing else does; `end` says why, when your right has ended.
    """
    subscription = Subscription(key_of(request), feed, asked)
    right = await open_subscription(hub, subscription)
    position = await begin_at(hub, last_event_id)
    response = StreamingResponse(
        follow(hub, subscription, right, position),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    return _warned(response, right.opened.grant.feed)


def _feed(grant: Grant) -> dict[str, Any]:
    feed = grant.feed
    root = f"/api/v1/feeds/{feed.id}"
    return {
        **_described(feed),
        "access": {
            "agreement": grant.agreement,
            "ends_at": None if grant.ends_at is None else write_time(grant.ends_at),
            **shape_of(grant.shape),
            "read_log": feed.read_log,
        },
        "links": {
            name: f"{root}/{name}" for name in ("datastreams", "latest", "readings", "stream")
        },
    }


def _described(feed: Feed) -> dict[str, Any]:
    return {
        "id": feed.id,
        "organisation": feed.organisation,
        "title": feed.title,
        "title_en": feed.title_en,
        "description": feed.description,
        "description_en": feed.description_en,
        "licence": feed.licence,
        "state": feed.state,
        "retires_at": None if feed.retires_at is None else write_time(feed.retires_at),
    }


def shape_of(shape: Shape) -> dict[str, Any]:
    """Write what a right lets through."""
    return {
        "properties": None if shape.properties is None else sorted(shape.properties),
        "finest_resolution": _duration(shape.finest_resolution) or "raw",
        "delay": _duration(shape.delay),
        "position_decimals": shape.position_decimals,
        "history": _duration(shape.history),
        "area": geojson(shape.area) if shape.area else None,
        "min_group": shape.min_group,
    }


def _duration(duration: timedelta | None) -> str | None:
    return format_duration(duration) if duration else None


def _resolution(query: ShapedQuery) -> str:
    return "raw" if query.resolution is None else format_duration(query.resolution)


def _missing(lost: Missing) -> dict[str, Any]:
    """Say what was asked for and is kept no longer, and what to ask for instead."""
    ask = None if lost.ask is None else format_duration(WIDTHS[lost.ask])
    return {"property": lost.property, "before": write_time(lost.before), "ask": ask}


def _page(opened: gate.Opened, rows: list[Row], aggregates: tuple[str, ...]) -> Page:
    return Page(
        rows,
        opened.streams,
        lambda row: gate.position_of(opened, row),
        aggregates or choose_aggregates(()),
    )


def _next(request: Request, query: ShapedQuery, rows: Any) -> str:  # noqa: ANN401
    """Return the address of the page that follows: same question, same range, after this row."""
    last = rows[-1]
    return str(
        request.url.include_query_params(
            **{
                "from": write_time(query.since),
                "to": write_time(query.until),
                "cursor": write_cursor(Cursor(last.datastream_id, last.time)),
            }
        )
    )


def _respond(
    form: Format, head: dict[str, Any], page: Page, query: ShapedQuery, channel: str
) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "Vary": "Accept, Authorization, Cookie"}
    if head.get("next"):
        headers["Link"] = f'<{head["next"]}>; rel="next"'
    DELIVERED.labels(channel).inc(len(page.rows))
    return StreamingResponse(
        _written(form, head, page, query), media_type=MEDIA_TYPES[form], headers=headers
    )


def _warned(response: StreamingResponse, feed: Feed) -> StreamingResponse:
    """Say in a header when a feed will end (RFC 8594): programs have no other eyes."""
    if feed.retires_at is not None:
        response.headers["Sunset"] = format_datetime(feed.retires_at, usegmt=True)
    return response


def _written(form: Format, head: dict[str, Any], page: Page, query: ShapedQuery) -> Iterator[bytes]:
    if form is Format.CSV:
        return write_csv(page, aggregated=query.resolution is not None)
    return write_geojson(head, page) if form is Format.GEOJSON else write_json(head, page)
