"""Follow a feed: read past the cursor, then sleep until something was committed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import NamedTuple

import orjson

from hub.api.auth import authenticate
from hub.api.context import Hub
from hub.api.formats import Page, record
from hub.domain.queries import BatchMark, ReadingQuery
from hub.errors import BadRequest, NotAuthenticated, NotFound, NotPermitted, StoreUnavailable
from hub.sharing import gate
from hub.storage import ledger, readings
from hub.storage.records import Records

# Silence lasts no longer than this: proxies cut it, and a right that ended without a bell is
# noticed when it does.
HEARTBEAT_S = 4.0
RIGHT_IS_FRESH_S = 2.0  # a right that ends by the clock ends its streams within this
BATCHES_AT_A_TIME = 100
RETRY_MS = 2_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who follows what; the key is looked at again and again."""

    key: str | None
    feed: str
    asked: ReadingQuery


def read_event_id(text: str | None) -> int | None:
    """Return the position that a client has seen last, from its Last-Event-ID."""
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004
        raise BadRequest("'Last-Event-ID' is not one of this stream's: leave it out to begin now")
    return int(text)


class Right(NamedTuple):
    """A feed as the subscriber may follow it, since when, and what rings when that may change."""

    opened: gate.Opened
    since: datetime
    change: asyncio.Event

    def is_stale(self, now: datetime) -> bool:
        return self.change.is_set() or now - self.since > timedelta(seconds=RIGHT_IS_FRESH_S)


async def begin_at(hub: Hub, last_event_id: str | None) -> int:
    """Return the position to follow from: after the last event seen, or after what is stored."""
    position = read_event_id(last_event_id)
    if position is None:
        async with hub.store.connection() as db:
            position = await ledger.newest_position(db)
    return position


async def open_subscription(hub: Hub, subscription: Subscription) -> Right:
    """Return the subscriber's right at this moment; raises as the gate does."""
    now, change = hub.now(), hub.rights.ticket()  # taken before the read: no change goes unheard
    async with hub.store.connection() as db:
        caller = await authenticate(db, subscription.key, now)
        records = Records(db, reads=hub.reads)
        opened = await gate.open_feed(records, caller, subscription.feed, now)
        await gate.committed(records, opened, subscription.asked, [], now)  # may it at all?
    return Right(opened, now, change)


async def follow(
    hub: Hub, subscription: Subscription, right: Right, position: int
) -> AsyncIterator[bytes]:
    """Write server-sent events from `position` on, until the right or the time ends."""
    yield _event("ready", position, {"feed": subscription.feed}, retry_ms=RETRY_MS)
    sent_at = hub.now()
    ends_at = hub.now() + timedelta(seconds=hub.stream_s)
    while hub.now() < ends_at:
        ticket = hub.news.ticket()
        if right.is_stale(hub.now()):
            try:
                right = await open_subscription(hub, subscription)
            except (NotAuthenticated, NotFound, NotPermitted) as error:
                yield _event("end", position, {"detail": str(error)})
                return
            except StoreUnavailable:
                return  # the client comes back with its cursor
        before = position
        try:
            position, rows = await _read(hub, subscription, right.opened, position)
        except StoreUnavailable:
            return
        if rows.rows:
            yield _event("readings", position, [record(rows, row) for row in rows.rows])
            sent_at = hub.now()
        elif hub.now() - sent_at >= timedelta(seconds=HEARTBEAT_S):
            # Others may have stored much meanwhile: the position moves on, and resuming is cheap.
            yield _event("heartbeat", position, {})
            sent_at = hub.now()
        if position == before:
            await hub.news.wait(ticket, _patience(right.opened))


def _patience(opened: gate.Opened) -> float:
    """Return how long to sleep: a delayed grant ripens by the clock, without a bell."""
    delayed = opened.grant.shape.delay or opened.grant.ends_at is not None
    return RIGHT_IS_FRESH_S if delayed else HEARTBEAT_S


async def _read(
    hub: Hub, subscription: Subscription, opened: gate.Opened, position: int
) -> tuple[int, Page]:
    """Return what was committed after `position`, and the position reached."""
    async with hub.store.connection() as db:
        now = hub.now()
        marks = await readings.batches_after(db, position, BATCHES_AT_A_TIME)
        ripe = _ripe(marks, now, opened.grant.shape.delay)
        rows = await gate.committed(
            Records(db, reads=hub.reads), opened, subscription.asked, ripe, now
        )
    page = Page(rows, opened.streams, lambda row: gate.position_of(opened, row))
    return (ripe[-1].position if ripe else position), page


def _ripe(marks: Sequence[BatchMark], now: datetime, delay: timedelta) -> list[BatchMark]:
    """Stop at the first batch that the grant's delay still holds back, or it would be passed by."""
    if not delay:
        return list(marks)
    newest = now - delay

    def is_old_enough(mark: BatchMark) -> bool:
        return mark.committed_at <= newest and (mark.last_time is None or mark.last_time < newest)

    return list(takewhile(is_old_enough, marks))


def _event(name: str, position: int, data: object, *, retry_ms: int | None = None) -> bytes:
    """Write one event as the HTML standard's server-sent events have it."""
    retry = f"retry: {retry_ms}\n" if retry_ms is not None else ""
    head = f"{retry}event: {name}\nid: {position}\ndata: "
    return head.encode() + orjson.dumps(data) + b"\n\n"
