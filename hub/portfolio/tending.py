"""How do business areas come about, and how do feeds and organisations join them?"""

from dataclasses import replace
from typing import Protocol

from hub.domain.agreements import DRAFTING
from hub.domain.business_areas import BusinessArea
from hub.domain.people import Deed
from hub.domain.sharing import Feed, FeedState
from hub.errors import Conflict, NotFound, NotPermitted
from hub.portfolio import acting
from hub.portfolio.acting import area_of, check_is_person, is_administrator, put_on_record, tends


class Files(acting.Files, Protocol):
    """What tending business areas needs of the store."""

    async def locked_area(self, area_id: str) -> BusinessArea | None: ...
    async def feed(self, feed_id: str) -> Feed | None: ...
    async def owners_in(self, area_id: str) -> set[str]: ...
    async def put_area(self, area: BusinessArea) -> None: ...


async def put_area(files: Files, deed: Deed, wanted: BusinessArea) -> BusinessArea:
    """Make a business area what it should be; its feeds stay as they are.

    Who answers for the hub makes areas and names their stewards; these do the rest. Raises Conflict
    where an organisation would leave its feeds behind.
    """
    check_is_person(deed.actor)
    current = await files.locked_area(wanted.id)
    stewards = current.stewards if current else frozenset()
    if not is_administrator(deed.actor):
        if current is None or not tends(deed.actor, current):
            raise NotPermitted("this needs the role hub-administrator, or a steward of the area")
        if wanted.stewards != stewards:
            raise NotPermitted("stewards are named by somebody with the role hub-administrator")
    wanted = replace(wanted, feeds=current.feeds if current else frozenset())
    if wanted == current:
        return current
    left_behind = sorted(await files.owners_in(wanted.id) - wanted.organisations)
    if left_behind:
        raise Conflict(f"feeds of {', '.join(left_behind)} are in it: take these out first")
    await files.put_area(wanted)
    concerned = wanted.organisations | (current.organisations if current else frozenset())
    await put_on_record(
        files, deed, "business-area.change" if current else "business-area.create",
        f"business-area/{wanted.id}", concerned, name=wanted.name,
        stewards=sorted(wanted.stewards), organisations=sorted(wanted.organisations),
    )  # fmt: skip
    return wanted


async def place_feed(files: Files, deed: Deed, area_id: str, feed_id: str) -> BusinessArea:
    """Put a feed into a business area: its owner does, for an area that the owner belongs to."""
    check_is_person(deed.actor)
    area = await _locked(files, area_id)
    feed = await files.feed(feed_id)
    owns = feed is not None and feed.organisation == deed.actor.organisation
    if feed is None or not (owns or is_administrator(deed.actor)):
        raise NotFound(f"your organisation has no feed '{feed_id[:64]}'")
    if not (deed.actor.roles & DRAFTING or is_administrator(deed.actor)):
        raise NotPermitted("this needs the role data-officer or steward")
    if feed_id in area.feeds:
        return area
    if feed.state is FeedState.RETIRED:
        raise Conflict(f"feed '{feed_id}' is retired")
    if feed.organisation not in area.organisations:
        raise Conflict(
            f"'{feed.organisation}' does not belong to the business area '{area_id}': its stewards "
            "take it in"
        )
    return await _moved(files, deed, replace(area, feeds=area.feeds | {feed_id}), feed, "in")


async def remove_feed(files: Files, deed: Deed, area_id: str, feed_id: str) -> BusinessArea:
    """Take a feed out of a business area: its owner may, and the area's stewards."""
    check_is_person(deed.actor)
    area = await _locked(files, area_id)
    feed = await files.feed(feed_id)
    owns = feed is not None and feed.organisation == deed.actor.organisation
    may = tends(deed.actor, area) or (owns and deed.actor.roles & DRAFTING)
    if feed is None or not may:
        raise NotFound(f"there is no feed '{feed_id[:64]}' that you could take out")
    if feed_id not in area.feeds:
        return area
    return await _moved(files, deed, replace(area, feeds=area.feeds - {feed_id}), feed, "out")


async def _locked(files: Files, area_id: str) -> BusinessArea:
    await files.locked_area(area_id)
    return await area_of(files, area_id)


async def _moved(
    files: Files, deed: Deed, area: BusinessArea, feed: Feed, way: str
) -> BusinessArea:
    await files.put_area(area)
    await put_on_record(
        files, deed, f"business-area.feed-{way}", f"business-area/{area.id}",
        frozenset({feed.organisation}), feed=feed.id,
    )  # fmt: skip
    return area
