"""Parts of the city's work that organisations share: mobility, environment, …"""

from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, Field

from hub.api.auth import check_known
from hub.api.bodies import Body, Name, Note, Prose
from hub.api.deps import Caller, Connection, TheHub, TheRecords
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.business_areas import BusinessArea
from hub.domain.identity import slug
from hub.domain.people import Deed
from hub.domain.sharing import Principal
from hub.errors import NotFound
from hub.portfolio import tending
from hub.sharing import gate
from hub.storage import portfolio
from hub.storage.portfolio import PortfolioFiles

router = APIRouter(prefix="/api/v1/business-areas", tags=["portfolio"])

AreaId = Annotated[str, Path(description="id of a business area"), AfterValidator(slug)]
FeedId = Annotated[str, Path(max_length=100, description="id of a feed of your organisation")]


class AreaBody(Body):
    """All of a business area but its feeds. `stewards` are people's ids."""

    name: Name
    name_en: Note = ""
    description: Prose = ""
    stewards: Annotated[frozenset[str], Field(max_length=100)] = frozenset()
    organisations: Annotated[frozenset[str], Field(max_length=1_000)] = frozenset()
    reason: Prose = ""


@router.get("", summary="The business areas, with their organisations and feeds")
async def list_areas(
    db: Connection, records: TheRecords, caller: Caller, hub: TheHub
) -> dict[str, Any]:
    """Everyone may ask. Of the feeds you see those that you may read or ask for."""
    known = await _known_feeds(records, caller, hub)
    return {"business_areas": [_told(one, known, caller) for one in await portfolio.areas(db)]}


@router.get("/{area}", summary="One business area")
async def get_area(
    area: AreaId, db: Connection, records: TheRecords, caller: Caller, hub: TheHub
) -> dict[str, Any]:
    found = await portfolio.areas(db, area)
    if not found:
        raise NotFound(f"there is no business area '{area}'")
    return _told(found[0], await _known_feeds(records, caller, hub), caller)


@router.put("/{area}", summary="Make a business area, or change it")
async def put_area(
    request: Request,
    area: AreaId,
    body: AreaBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    records: TheRecords,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Replace all but its feeds, which have routes of their own.

    Needs the role hub-administrator; a steward of the area changes all but the stewards.
    """
    check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    known = await _known_feeds(records, caller, hub)
    wanted = BusinessArea(
        area, body.name, body.name_en, body.description, body.stewards, body.organisations
    )

    async def work() -> dict[str, Any]:
        return _told(await tending.put_area(PortfolioFiles(db), deed, wanted), known, caller)

    return await once(request, db, caller.actor.id, idempotency_key, work)


@router.put("/{area}/feeds/{feed}", summary="Put a feed of yours into a business area")
async def place_feed(
    request: Request,
    area: AreaId,
    feed: FeedId,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    records: TheRecords,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Needs the role data-officer or steward in the organisation that owns the feed."""
    check_known(caller)
    deed = Deed(caller.actor, hub.now())
    known = await _known_feeds(records, caller, hub)

    async def work() -> dict[str, Any]:
        made = await tending.place_feed(PortfolioFiles(db), deed, area, feed)
        return _told(made, known, caller)

    return await once(request, db, caller.actor.id, idempotency_key, work)


@router.delete(
    "/{area}/feeds/{feed}",
    summary="Take a feed out of a business area",
    status_code=HTTPStatus.OK,
)
async def remove_feed(
    request: Request,
    area: AreaId,
    feed: FeedId,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    records: TheRecords,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As its owner, or as a steward of the area."""
    check_known(caller)
    deed = Deed(caller.actor, hub.now())
    known = await _known_feeds(records, caller, hub)

    async def work() -> dict[str, Any]:
        made = await tending.remove_feed(PortfolioFiles(db), deed, area, feed)
        return _told(made, known, caller)

    return await once(request, db, caller.actor.id, idempotency_key, work)


async def _known_feeds(records: gate.Records, caller: Principal, hub: TheHub) -> set[str]:
    """Return the feeds that somebody may read or ask for, and so may know of."""
    grants = await gate.readable(records, caller, hub.now())
    return {grant.feed.id for grant in grants} | {f.id for f in await records.listed_feeds()}


def _told(area: BusinessArea, known: AbstractSet[str], caller: Principal) -> dict[str, Any]:
    told = {
        "id": area.id,
        "name": area.name,
        "name_en": area.name_en,
        "description": area.description,
        "organisations": sorted(area.organisations),
        "feeds": sorted(area.feeds & known),
    }
    return told if caller.is_anonymous else told | {"stewards": sorted(area.stewards)}
