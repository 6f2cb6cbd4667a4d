"""What else holds sensor data in the city, and what becomes of it."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, Field

from hub.api.asking import parse_limit
from hub.api.auth import check_known
from hub.api.bodies import Body, Name, Note, Prose
from hub.api.deps import Caller, Connection, TheHub
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.identity import slug
from hub.domain.people import Deed
from hub.domain.platforms import Platform, PlatformAction, PlatformState, Said
from hub.errors import NotFound
from hub.portfolio import inventorying
from hub.storage import portfolio
from hub.storage.portfolio import PortfolioFiles

MOST = 1_000
PlatformId = Annotated[str, Path(description="id of a platform"), AfterValidator(slug)]

router = APIRouter(prefix="/api/v1/platforms", tags=["portfolio"])


class Step(StrEnum):
    """An assessment, or what is concluded from it."""

    ASSESS = "assess"
    KEEP = "keep"
    CONNECT = "connect"
    CONSOLIDATE = "consolidate"
    RETIRE = "retire"


class PlatformBody(Body):
    """What is known of a platform. `organisation` is left out by the one that runs it."""

    name: Name
    organisation: Annotated[str | None, Field(max_length=64)] = None
    description: Prose = ""
    supplier: Note = ""
    contract_until: date | None = None
    area: Annotated[str | None, Field(max_length=64)] = None
    reason: Prose = ""


class StepBody(Body):
    """`text` is the assessment; `decision` a recorded one; `into` what takes its place."""

    text: Prose = ""
    decision: Annotated[int | None, Field(ge=1, le=2**62)] = None
    into: Annotated[str | None, Field(max_length=64)] = None
    reason: Prose = ""


@router.get("", summary="The inventory of platforms")
async def list_platforms(
    db: Connection,
    caller: Caller,
    *,
    organisation: Annotated[str | None, Query(description="only of this organisation")] = None,
    area: Annotated[str | None, Query(description="only of this business area")] = None,
    state: Annotated[PlatformState | None, Query(description="only in this state")] = None,
    after: Annotated[str, Query(description="from `next` of the page before")] = "",
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """For all organisations of the hub: who looks for a system finds what the neighbours have."""
    check_known(caller)
    size = parse_limit(limit, MOST)
    found = await portfolio.platforms(
        db, organisation=organisation, area=area, state=state, after=after, limit=size
    )
    return {
        "platforms": [_told(one) for one in found],
        "next": found[-1].id if len(found) == size else None,
    }


@router.get("/{platform}", summary="One platform")
async def get_platform(platform: PlatformId, db: Connection, caller: Caller) -> dict[str, Any]:
    check_known(caller)
    found = await portfolio.platforms(db, platform_id=platform)
    if not found:
        raise NotFound(f"there is no platform '{platform}'")
    return _told(found[0])


@router.put("/{platform}", summary="Enter a platform, or correct what is said of it")
async def put_platform(
    request: Request,
    platform: PlatformId,
    body: PlatformBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As the organisation that runs it, or as a steward of its business area."""
    check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    wanted = Platform(
        platform, body.name, body.organisation or caller.organisation, body.description,
        body.supplier, body.contract_until, body.area,
    )  # fmt: skip

    async def work() -> dict[str, Any]:
        return _told(await inventorying.put_platform(PortfolioFiles(db), deed, wanted))

    return await once(request, db, caller.actor.id, idempotency_key, work)


@router.post("/{platform}:{step}", summary="Assess a platform, or conclude what becomes of it")
async def take_step(
    request: Request,
    platform: Annotated[str, Path(max_length=100)],
    step: Step,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    body: StepBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Assess it as its organisation or its area's steward; conclude as that one's data officer.

    A conclusion needs a recorded `decision`. To assess it anew takes a conclusion back, but for a
    retirement. An illegal step is 409.
    """
    check_known(caller)
    given = body or StepBody()
    deed = Deed(caller.actor, hub.now(), given.reason)
    said = Said(given.text, given.decision, given.into)

    async def work() -> dict[str, Any]:
        files, action = PortfolioFiles(db), PlatformAction(step)
        return _told(await inventorying.act(files, deed, platform, action, said))

    return await once(request, db, caller.actor.id, idempotency_key, work)


def _told(found: Platform) -> dict[str, Any]:
    until = found.contract_until
    return {
        "id": found.id,
        "name": found.name,
        "organisation": found.organisation,
        "description": found.description,
        "supplier": found.supplier,
        "contract_until": until.isoformat() if until else None,
        "area": found.area,
        "state": found.state,
        "assessment": found.assessment,
        "into": found.into,
        "decision": found.decision,
    }
