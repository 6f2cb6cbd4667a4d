"""How organisations come to agreements about feeds, over HTTP."""

from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import (
    AwareDatetime,
    Field,
)

from hub.api.asking import parse_limit
from hub.api.bodies import Body, Duration, Polygon
from hub.api.deps import Caller, Connection, TheHub
from hub.api.formats import write_time
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.agreements import Action, Dossier, Side, Terms
from hub.domain.areas import geojson
from hub.domain.durations import format_duration
from hub.domain.people import Deed
from hub.domain.sharing import AgreementState, Principal, Shape
from hub.errors import NotAuthenticated, NotFound
from hub.sharing import agreeing
from hub.sharing.odrl import policy
from hub.storage import agreements
from hub.storage.agreements import AgreementFiles

MOST_AGREEMENTS = 1_000
ID = Annotated[int, Path(ge=1, le=2**62)]

router = APIRouter(prefix="/api/v1", tags=["agreements"])


class Step(StrEnum):
    """What people may do to an agreement; the rest the hub does by itself."""

    REQUEST = "request"
    OFFER = "offer"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    TERMINATE = "terminate"
    REVOKE = "revoke"
    SUPERSEDE = "supersede"


class ShapeBody(Body):
    """What a right lets through; what is left out lets everything through."""

    properties: list[str] | None = None
    finest_resolution: Duration | None = None
    delay: Duration = timedelta()
    position_decimals: Annotated[int | None, Field(ge=0, le=7)] = None
    history: Duration | None = None
    area: Annotated[Polygon | None, Field(description="a GeoJSON Polygon without holes")] = None

    min_group: Annotated[
        int | None, Field(ge=2, le=10_000, description="means over at least so many devices only")
    ] = None

    def shape(self) -> Shape:
        chosen = None if self.properties is None else frozenset(self.properties)
        return Shape(
            chosen, self.finest_resolution, self.delay, self.position_decimals, self.history,
            self.area, self.min_group,
        )  # fmt: skip


class TermsBody(Body):
    """What the two agree on."""

    purpose: str = Field(max_length=2_000)
    legal_basis: str = Field(max_length=2_000)
    shape: ShapeBody = ShapeBody()
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    review_at: AwareDatetime | None = None
    notice: Duration = timedelta()
    onward_sharing: bool = False
    cost_share: str = Field("", max_length=2_000)
    decision: str = Field("", max_length=200)

    def terms(self) -> Terms:
        return Terms(
            self.purpose, self.legal_basis, self.shape.shape(), self.valid_from, self.valid_until,
            self.review_at, self.notice, self.onward_sharing, self.cost_share, self.decision,
        )  # fmt: skip


class DraftBody(Body):
    """`consumer` is left out by a consumer, who asks for itself."""

    feed: str
    consumer: str | None = None
    terms: TermsBody
    reason: str = Field("", max_length=2_000)


class StepBody(Body):
    """`terms` come with a request or an offer, `at` with a termination."""

    reason: str = Field("", max_length=2_000)
    decision: str = Field("", max_length=200)
    terms: TermsBody | None = None
    at: AwareDatetime | None = None


@router.get("/agreements", summary="Your organisation's agreements, on either side")
async def list_agreements(
    db: Connection,
    caller: Caller,
    *,
    state: Annotated[AgreementState | None, Query(description="only in this state")] = None,
    feed: Annotated[str | None, Query(description="only about this feed")] = None,
    after: Annotated[int, Query(ge=0, le=2**62, description="from `next` of the page before")] = 0,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """By id. A draft is seen by its own side only."""
    _check_known(caller)
    size = parse_limit(limit, MOST_AGREEMENTS)
    found = await agreements.of_organisation(
        db, caller.organisation, state=state, feed=feed, after=after, limit=size
    )
    return {
        "agreements": [_told(one) for one in found],
        "next": found[-1].id if len(found) == size else None,
    }


@router.post("/agreements", summary="Draft an agreement", status_code=HTTPStatus.CREATED)
async def draft_agreement(
    request: Request,
    body: DraftBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As the feed's owner, naming the consumer; or as a consumer, about a feed that is listed.

    Needs the role steward or data-officer. Nobody else sees it before it is requested or offered.
    """
    _check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)

    async def work() -> dict[str, Any]:
        files, terms = AgreementFiles(db), body.terms.terms()
        return _told(await agreeing.draft(files, deed, body.feed, body.consumer, terms))

    return await once(
        request, db, caller.actor.id, idempotency_key, work, status=HTTPStatus.CREATED
    )


@router.get("/agreements/{agreement}", summary="One agreement with everything on file")
async def get_agreement(agreement: ID, db: Connection, caller: Caller) -> dict[str, Any]:
    _check_known(caller)
    found = await agreements.dossier(db, agreement)
    if found is None or not found.is_visible_to(caller.organisation):
        raise NotFound(f"your organisation has no part in an agreement {agreement}")
    return _told(found)


@router.get("/agreements/{agreement}/odrl", summary="One agreement as an ODRL policy (JSON-LD)")
async def get_policy(agreement: ID, db: Connection, caller: Caller) -> Response:
    """Return it as ODRL 2.2: an Offer while it is negotiated, then an Agreement."""
    _check_known(caller)
    found = await agreements.dossier(db, agreement)
    if found is None or not found.is_visible_to(caller.organisation):
        raise NotFound(f"your organisation has no part in an agreement {agreement}")
    return Response(orjson.dumps(policy(found)), media_type="application/ld+json")


@router.post("/agreements/{agreement}:{step}", summary="Take the next step with an agreement")
async def take_step(
    request: Request,
    agreement: ID,
    step: Step,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    body: StepBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Request, offer, accept, decline, withdraw, activate, suspend, resume, terminate, revoke.

    `supersede` drafts the next version, which replaces this one once it is activated. Needs the
    role data-officer. An illegal step is 409 and changes nothing; a repeated one changes nothing.
    """
    _check_known(caller)
    given = body or StepBody()
    deed = Deed(caller.actor, hub.now(), given.reason, given.decision)
    terms = given.terms.terms() if given.terms else None

    async def work() -> dict[str, Any]:
        files = AgreementFiles(db)
        if step is Step.SUPERSEDE:
            return _told(await agreeing.supersede(files, deed, agreement, terms))
        action = Action(step)
        return _told(await agreeing.act(files, deed, agreement, action, terms=terms, at=given.at))

    return await once(request, db, caller.actor.id, idempotency_key, work)


def _check_known(caller: Principal) -> None:
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of yours, or of your organisation's application")


def _told(dossier: Dossier) -> dict[str, Any]:
    return {
        "id": dossier.id,
        "series": dossier.series,
        "version": dossier.version,
        "feed": dossier.feed,
        "provider": dossier.provider,
        "consumer": dossier.consumer,
        "state": dossier.state,
        "drafted_by": dossier.drafted_by,
        "approvers": {side.value: dossier.approvers.get(side) for side in Side},
        "notice_given_at": _time(dossier.notice_given_at),
        "terms": _told_terms(dossier.terms),
    }


def _told_terms(terms: Terms) -> dict[str, Any]:
    shape = terms.shape
    return {
        "purpose": terms.purpose,
        "legal_basis": terms.legal_basis,
        "shape": {
            "properties": None if shape.properties is None else sorted(shape.properties),
            "finest_resolution": _width(shape.finest_resolution),
            "delay": _width(shape.delay),
            "position_decimals": shape.position_decimals,
            "history": _width(shape.history),
            "area": geojson(shape.area) if shape.area else None,
            "min_group": shape.min_group,
        },
        "valid_from": _time(terms.valid_from),
        "valid_until": _time(terms.valid_until),
        "review_at": _time(terms.review_at),
        "notice": _width(terms.notice),
        "onward_sharing": terms.onward_sharing,
        "cost_share": terms.cost_share,
        "decision": terms.decision,
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else write_time(time)


def _width(width: timedelta | None) -> str | None:
    return format_duration(width) if width else None
