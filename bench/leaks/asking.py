"""Every way of asking for a feed, and what the answer must be according to the oracle.

An operation asks as one organisation, compares, and returns how many decisions it looked at: one
for each datastream that could have shown, or not. It raises Leak with what was wrong.
"""

import asyncio
import contextlib
import csv
import io
import json
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from bench.leaks import oracle
from bench.leaks.oracle import Row, Sight
from bench.leaks.world import Feed, World

CANARY = re.compile(r"canary[-_ A-Za-z0-9]*?-(\d{3})")
VALUE = re.compile(r"\b7\d{5}\.125\b")
LONG_AGO = timedelta(days=60)
WIDTHS = ("PT15M", "PT1H", "P1D", "PT20M")
SECONDS = {"PT15M": 900, "PT20M": 1_200, "PT1H": 3_600, "P1D": 86_400}
UNAUTHENTICATED, FORBIDDEN, MISSING, FINE = 401, 403, 404, 200
TOLERANCE = 1e-6
QUIET_S = 0.5  # a stream that has caught up


class Leak(Exception):  # noqa: N818  what this is all about
    """An answer is not what the oracle says."""


@dataclass(slots=True)
class Asker:
    """One organisation (or everyone) asking; `key` is None for everyone."""

    who: str
    key: str | None
    http: httpx.AsyncClient
    world: World
    dice: random.Random

    async def get(self, path: str, **asked: Any) -> httpx.Response:  # noqa: ANN401
        headers = asked.pop("headers", {})
        if self.key is not None:
            headers = headers | {"Authorization": f"Bearer {self.key}"}
        return await self.http.get(f"/api/v1{path}", params=asked, headers=headers)


Operation = Callable[[Asker, Feed], Awaitable[int]]


def operations() -> Mapping[str, Operation]:
    """Return every operation on one feed by name."""
    return {
        name.removeprefix("ask_"): found
        for name, found in globals().items()
        if name.startswith("ask_")
    }


async def list_feeds(asker: Asker) -> int:
    """Compare which feeds are listed at all; a decision for each there is."""
    answer = await asker.get("/feeds")
    _expect(answer.status_code == FINE, answer, "the list is not there")
    shown = {feed["id"] for feed in answer.json()["feeds"]}
    seen = {feed.id for feed in asker.world.feeds if _sight(asker, feed)}
    _expect(shown == seen, answer, f"listed {sorted(shown ^ seen)}")
    _no_canary(answer.text, {feed.id for feed in asker.world.feeds if _sight(asker, feed)})
    return len(asker.world.feeds)


async def ask_description(asker: Asker, feed: Feed) -> int:
    answer = await asker.get(f"/feeds/{feed.id}")
    seen = _sight(asker, feed)
    if not _is_hidden(answer, seen, feed):
        told, right = answer.json()["access"], seen.right if seen else None
        wanted = None if right is None or right.properties is None else sorted(right.properties)
        _expect(told["properties"] == wanted, answer, "another set of properties")
        _expect(told["position_decimals"] == (right and right.decimals), answer, "decimals")
    return 1


async def ask_datastreams(asker: Asker, feed: Feed) -> int:
    answer = await asker.get(f"/feeds/{feed.id}/datastreams")
    seen = _sight(asker, feed)
    if seen is not None and not _is_hidden(answer, seen, feed):
        shown = {one["id"]: one["position"] for one in answer.json()["datastreams"]}
        wanted = {s.id: _list(oracle.position_of(seen, s)) for s in oracle.streams(seen)}
        _expect(_same_places(shown, wanted), answer, f"datastreams {shown} instead of {wanted}")
    return len(feed.streams)


async def ask_latest(asker: Asker, feed: Feed) -> int:
    return await _compare(asker, feed, "latest", oracle.latest)


async def ask_latest_csv(asker: Asker, feed: Feed) -> int:
    return await _compare(asker, feed, "latest", oracle.latest, format="csv")


async def ask_latest_geojson(asker: Asker, feed: Feed) -> int:
    return await _compare(asker, feed, "latest", oracle.latest, format="geojson")


async def ask_raw(asker: Asker, feed: Feed) -> int:
    return await _raw(asker, feed)


async def ask_raw_csv(asker: Asker, feed: Feed) -> int:
    return await _raw(asker, feed, format="csv")


async def ask_raw_geojson(asker: Asker, feed: Feed) -> int:
    return await _raw(asker, feed, format="geojson")


async def ask_raw_by_page(asker: Asker, feed: Feed) -> int:
    """Follow pages of three to the end: they are what one page would be."""
    since = asker.world.now - LONG_AGO
    asked: dict[str, Any] = {"from": since.isoformat(), "resolution": "raw", "limit": 3}
    answer = await asker.get(f"/feeds/{feed.id}/readings", **asked)
    seen = _sight(asker, feed)
    if seen is None or _is_hidden(answer, seen, feed):
        return len(feed.streams)
    wanted = oracle.raw(seen, datetime.now(UTC), since)
    if _is_too_fine(answer, wanted):
        return len(feed.streams)
    rows, following = _rows(answer, "json"), answer.json()["next"]
    while following:
        query = dict(httpx.URL(following).params)
        answer = await asker.get(f"/feeds/{feed.id}/readings", **query)
        _expect(answer.status_code == FINE, answer, "a page is missing")
        rows += _rows(answer, "json")
        following = answer.json()["next"]
    _same(rows, wanted or [], answer)
    return len(feed.streams)


async def ask_one_property(asker: Asker, feed: Feed) -> int:
    """Ask for a property: one that is withheld is not there, in the words for none at all."""
    name = asker.dice.choice(("alpha", "beta", "gamma"))
    answer = await asker.get(f"/feeds/{feed.id}/latest", property=name)
    seen = _sight(asker, feed)
    if seen is None:
        _is_hidden(answer, None, feed)
        return len(feed.streams)
    granted = {stream.property for stream in oracle.streams(seen)}
    if name not in granted:
        other = await asker.get(f"/feeds/{feed.id}/latest", property="nothing")
        same = answer.json()["detail"].replace(name, "nothing") == other.json()["detail"].replace(
            name, "nothing"
        )
        _expect(answer.status_code == other.status_code == MISSING, answer, "it shows")
        _expect(same, answer, f"told apart from none: {other.text}")
        return len(feed.streams)
    now = datetime.now(UTC)
    chosen = {stream.id for stream in oracle.streams(seen) if stream.property == name}
    _same(
        _rows(answer, "json"), [r for r in oracle.latest(seen, now) if r.stream in chosen], answer
    )
    return len(feed.streams)


async def ask_one_datastream(asker: Asker, feed: Feed) -> int:
    """Ask for a datastream: of another feed, or withheld, it is as if there were none."""
    other = asker.dice.choice(asker.world.feeds)
    stream = asker.dice.choice([*feed.streams, *other.streams])
    answer = await asker.get(f"/feeds/{feed.id}/latest", datastream=stream.id)
    seen = _sight(asker, feed)
    if seen is None:
        _is_hidden(answer, None, feed)
        return 1
    if stream.id not in {one.id for one in oracle.streams(seen)}:
        nothing = await asker.get(f"/feeds/{feed.id}/latest", datastream=2_000_000_000)
        told = nothing.json()["detail"].replace("2000000000", str(stream.id))
        _expect(answer.status_code == MISSING, answer, "it shows")
        _expect(answer.json()["detail"] == told, answer, f"told apart from none: {nothing.text}")
        return 1
    wanted = [row for row in oracle.latest(seen, datetime.now(UTC)) if row.stream == stream.id]
    _same(_rows(answer, "json"), wanted, answer)
    return 1


async def ask_box(asker: Asker, feed: Feed) -> int:
    """Ask in a box, which finds by what the answer says, not by what is true."""
    west, south = 17.9 + asker.dice.randrange(8) / 100, 59.4 + asker.dice.randrange(8) / 100
    box = (west - 0.0001, south - 0.0001, west + 0.0301, south + 0.0301)
    since = asker.world.now - LONG_AGO
    asked = {"from": since.isoformat(), "resolution": "raw", "bbox": ",".join(map(str, box))}
    answer = await asker.get(f"/feeds/{feed.id}/readings", **asked)
    seen = _sight(asker, feed)
    if seen is None or _is_hidden(answer, seen, feed):
        return len(feed.streams)
    wanted = oracle.raw(seen, datetime.now(UTC), since)
    if not _is_too_fine(answer, wanted):
        within = [row for row in wanted or [] if _is_in(row.position, box)]
        _same(_rows(answer, "json"), within, answer)
    return len(feed.streams)


async def ask_aggregates(asker: Asker, feed: Feed) -> int:
    """Ask for means and counts over whole buckets, at or above the finest that is granted."""
    width = asker.dice.choice(WIDTHS)
    since = asker.world.now - LONG_AGO
    seconds = timedelta(seconds=SECONDS[width])
    before = datetime.now(UTC)
    answer = await asker.get(
        f"/feeds/{feed.id}/readings",
        **{"from": since.isoformat(), "resolution": width, "limit": 1000},
    )
    seen = _sight(asker, feed)
    if seen is None or _is_hidden(answer, seen, feed):
        return len(feed.streams)
    wanted = oracle.buckets(seen, before, since, seconds)
    if not _is_too_fine(answer, wanted):
        later = oracle.buckets(seen, datetime.now(UTC), since, seconds)
        _same(_rows(answer, "json"), wanted or [], answer, or_else=later or [])
    return len(feed.streams)


async def ask_stream(asker: Asker, feed: Feed) -> int:
    """Follow everything that was ever committed; a delayed right still waits for it."""
    headers = {"Last-Event-ID": "0"}
    if asker.key is not None:
        headers["Authorization"] = f"Bearer {asker.key}"
    seen, rows, text = _sight(asker, feed), [], ""
    address = f"/api/v1/feeds/{feed.id}/stream"
    async with asker.http.stream("GET", address, headers=headers) as answer:
        if answer.status_code != FINE:
            await answer.aread()
            if seen is None or _is_hidden(answer, seen, feed):
                return len(feed.streams)
            _is_too_fine(answer, oracle.raw(seen, datetime.now(UTC), asker.world.now - LONG_AGO))
            return len(feed.streams)
        _expect(seen is not None, answer, "a stream of what is hidden")
        wanted = oracle.raw(seen, datetime.now(UTC), asker.world.now - LONG_AGO) if seen else []
        _expect(wanted is not None, answer, "a stream of raw readings for aggregates only")
        if seen is not None and seen.right is not None and seen.right.delay:
            wanted = []  # all of it was committed a moment ago
        lines = answer.aiter_lines()
        with contextlib.suppress(TimeoutError):  # nothing more comes, and that is as it should be
            while True:
                async with asyncio.timeout(QUIET_S):
                    line = await anext(lines)
                text += line
                if line.startswith("data: ["):
                    rows += json.loads(line.removeprefix("data: "))
    found = [_row(row) for row in rows]
    _no_canary(text, {feed.id})
    if found != wanted:
        _expect(
            _key_of(found) == _key_of(wanted or []), answer,
            f"the stream brought {len(found)} rows instead of {len(wanted or [])}",
        )  # fmt: skip
    return len(feed.streams)


async def ask_page(asker: Asker, feed: Feed) -> int:
    """Look at the page for people, which shows a feed or sends back to the front."""
    cookies = {} if asker.key is None else {"stadsnav_key": asker.key}
    answer = await asker.http.get("/", params={"feed": feed.id}, headers=_cookie(cookies))
    mine = {one.id for one in asker.world.feeds if _sight(asker, one)}
    _no_canary(answer.text, mine)
    shows = f'feed={feed.id}"' in answer.text or feed.title in answer.text
    _expect(feed.id in mine or not shows, answer, "the page shows it")
    _no_value(answer.text, _visible_values(asker, mine), answer)
    return 1


async def ask_explanation(asker: Asker, feed: Feed) -> int:
    """Ask why: an application has no role, so it is told nothing, about any feed."""
    answer = await asker.get("/access/explain", feed=feed.id, organisation=asker.who)
    _expect(answer.status_code in (UNAUTHENTICATED, FORBIDDEN), answer, "it was explained")
    _no_canary(answer.text, set())
    return 1


async def ask_file(asker: Asker, feed: Feed) -> int:
    """Ask for selection, classification and card: the owner's own affair."""
    answer = await asker.get(f"/feeds/{feed.id}/file")
    owns = asker.who == feed.owner
    _expect((answer.status_code == FINE) is owns, answer, "the file")
    _no_canary(answer.text, {feed.id} if owns else set())
    return 1


async def ask_business_area(asker: Asker, _feed: Feed) -> int:
    """Ask for the area that every feed is in: it names those that the asker may see."""
    answer = await asker.get("/business-areas/everything")
    _expect(answer.status_code == FINE, answer, "the area is not there")
    seen = {feed.id for feed in asker.world.feeds if _sight(asker, feed)}
    _expect(set(answer.json()["feeds"]) == seen, answer, "other feeds than may be seen")
    _no_canary(answer.text, set())
    return 1


async def ask_others(asker: Asker, _feed: Feed) -> int:
    """Ask for what is not about feeds: agreements, devices, audit, connectors, metrics."""
    path = asker.dice.choice(("/agreements", "/devices", "/audit", "/connectors", "/rejections"))
    answer = await asker.get(path)
    if answer.status_code == FINE:
        mine = {
            one.id
            for one in asker.world.feeds
            if asker.who in (one.owner, *(r.consumer for r in one.rights))
        }
        _no_canary(answer.text, mine)
        _no_value(answer.text, set(), answer)
    metrics = await asker.http.get("/metrics")
    _no_canary(metrics.text, set())
    _no_value(metrics.text, set(), metrics)
    return 2


async def _raw(asker: Asker, feed: Feed, **asked: str) -> int:
    since = asker.world.now - LONG_AGO
    return await _compare(
        asker, feed, "readings", lambda seen, now: oracle.raw(seen, now, since),
        **{"from": since.isoformat(), "resolution": "raw", **asked},
    )  # fmt: skip


async def _compare(
    asker: Asker,
    feed: Feed,
    what: str,
    expected: Callable[[Sight, datetime], list[Row] | None],
    **asked: str,
) -> int:
    before = datetime.now(UTC)
    answer = await asker.get(f"/feeds/{feed.id}/{what}", **asked)
    seen = _sight(asker, feed)
    if seen is None or _is_hidden(answer, seen, feed):
        return len(feed.streams)
    wanted = expected(seen, before)
    if not _is_too_fine(answer, wanted):
        rows = _rows(answer, asked.get("format", "json"))
        _same(rows, wanted or [], answer, or_else=expected(seen, datetime.now(UTC)) or [])
        _no_canary(answer.text, {feed.id})
        names = {stream.device for stream in oracle.streams(seen)}
        for stream in feed.streams:
            _expect(
                stream.device in names or stream.device not in answer.text, answer,
                f"{stream.device} shows",
            )  # fmt: skip
        if seen.right is None or seen.right.finest is None:
            _no_value(answer.text, {row.value for row in wanted or []}, answer)
    return len(feed.streams)


def _sight(asker: Asker, feed: Feed) -> Sight | None:
    return oracle.sight(asker.world, feed, asker.who, datetime.now(UTC))


def _is_hidden(answer: httpx.Response, seen: Sight | None, feed: Feed) -> bool:
    """Tell whether a feed was hidden as it should be; raise Leak where it should not, or shows."""
    if seen is not None:
        _expect(answer.status_code not in (UNAUTHENTICATED, MISSING), answer, "it is hidden")
        return False
    anonymous = "authorization" not in answer.request.headers
    wanted = UNAUTHENTICATED if anonymous else MISSING
    _expect(answer.status_code == wanted, answer, "it is not hidden")
    told = answer.json()["detail"]
    nothing = (
        "this feed is not open to everyone: send your key as 'Authorization: Bearer stn_…'"
        if anonymous
        else f"there is no feed '{feed.id}' that you may read; see /api/v1/feeds"
    )
    _expect(told == nothing, answer, "other words than for a feed that does not exist")
    _no_canary(answer.text, set())
    return True


def _is_too_fine(answer: httpx.Response, wanted: list[Row] | None) -> bool:
    if wanted is not None:
        _expect(answer.status_code == FINE, answer, "refused")
        return False
    _expect(answer.status_code == FORBIDDEN, answer, "finer than the right")
    _no_canary(answer.text, set())
    _no_value(answer.text, set(), answer)
    return True


def _rows(answer: httpx.Response, form: str) -> list[Row]:
    if form == "csv":
        return [_csv_row(row) for row in csv.DictReader(io.StringIO(answer.text))]
    if form == "geojson":
        return [
            _row(one["properties"] | {"position": (one["geometry"] or {}).get("coordinates")})
            for one in answer.json()["features"]
        ]
    return [_row(one) for one in answer.json()["readings"]]


def _row(told: Mapping[str, Any]) -> Row:
    place = told["position"]
    return Row(
        told["datastream"],
        datetime.fromisoformat(told["time"]),
        told["mean"] if "mean" in told else told["value"],
        told.get("count"),
        None if place is None else (place[0], place[1]),
    )


def _csv_row(told: Mapping[str, str]) -> Row:
    lon, lat = told["lon"], told["lat"]
    return Row(
        int(told["datastream"]),
        datetime.fromisoformat(told["time"]),
        float(told["mean"] if "mean" in told else told["value"]),
        int(told["count"]) if "count" in told else None,
        (float(lon), float(lat)) if lon else None,
    )


def _same(
    rows: Sequence[Row], wanted: Sequence[Row], answer: httpx.Response,
    or_else: Sequence[Row] | None = None,
) -> None:  # fmt: skip
    """Raise Leak unless the rows are those; `or_else` if a bucket closed while it was asked."""
    if any(_equal(rows, right) for right in (wanted, or_else) if right is not None):
        return
    extra = [row for row in rows if row not in wanted][:3]
    missing = [row for row in wanted if row not in rows][:3]
    raise Leak(f"{answer.request.url}: too much {extra}, too little {missing}")


def _equal(rows: Sequence[Row], wanted: Sequence[Row]) -> bool:
    return len(rows) == len(wanted) and all(
        (a.stream, a.time, a.count) == (b.stream, b.time, b.count)
        and abs(a.value - b.value) < TOLERANCE
        and _near(a.position, b.position)
        for a, b in zip(rows, wanted, strict=True)
    )


def _near(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool:
    if a is None or b is None:
        return a is b
    return all(abs(one - other) < TOLERANCE for one, other in zip(a, b, strict=True))


def _key_of(rows: Iterable[Row]) -> list[tuple[int, datetime, float]]:
    return sorted((row.stream, row.time, row.value) for row in rows)


def _same_places(
    shown: Mapping[int, list[float] | None], wanted: Mapping[int, list[float] | None]
) -> bool:
    return shown.keys() == wanted.keys() and all(
        _near(_pair(shown[one]), _pair(wanted[one])) for one in shown
    )


def _pair(place: list[float] | None) -> tuple[float, float] | None:
    return None if place is None else (place[0], place[1])


def _list(place: tuple[float, float] | None) -> list[float] | None:
    return None if place is None else list(place)


def _is_in(place: tuple[float, float] | None, box: tuple[float, float, float, float]) -> bool:
    return place is not None and box[0] <= place[0] <= box[2] and box[1] <= place[1] <= box[3]


def _no_canary(text: str, allowed: set[str]) -> None:
    """Raise Leak where a text holds a name of a feed that is not among the allowed."""
    shown = {f"feed-{number}" for number in CANARY.findall(text)} - allowed
    if shown:
        raise Leak(f"canaries of {sorted(shown)} in {text[:300]!r}")


def _no_value(text: str, allowed: set[float], answer: httpx.Response) -> None:
    shown = {float(value) for value in VALUE.findall(text)} - allowed
    if shown:
        raise Leak(f"{answer.request.url}: values {sorted(shown)[:5]} show")


def _visible_values(asker: Asker, mine: set[str]) -> set[float]:
    return {
        one.value
        for feed in asker.world.feeds
        if feed.id in mine
        for stream in feed.streams
        for one in stream.readings
    }


def _cookie(cookies: Mapping[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def _expect(holds: bool, answer: httpx.Response, what: str) -> None:
    if not holds:
        raise Leak(f"{answer.request.url}: {what} ({answer.status_code} {answer.text[:200]})")
