"""What organisations want of the hub, what was decided, and what everyone may know of it."""

from datetime import date
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from hub.api.asking import parse_limit
from hub.api.auth import check_known
from hub.api.bodies import Body, Name, Note, Prose
from hub.api.deps import Caller, Connection, TheHub
from hub.api.formats import write_time
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.business_areas import BusinessArea
from hub.domain.decisions import Decision, Member
from hub.domain.people import Deed
from hub.domain.proposals import Proposal, ProposalAction, ProposalKind, ProposalState, Said
from hub.domain.sharing import Principal
from hub.errors import NotFound
from hub.portfolio import deciding, proposing
from hub.portfolio.acting import tends
from hub.storage import portfolio
from hub.storage.portfolio import PortfolioFiles

MOST = 1_000
ID = Annotated[int, Path(ge=1, le=2**62)]
After = Annotated[int, Query(ge=0, le=2**62, description="from `next` of the page before")]
Limit = Annotated[str | None, Query(description="rows per page; default 1000")]

router = APIRouter(prefix="/api/v1", tags=["portfolio"])


class Step(StrEnum):
    """What stewards do with a proposal."""

    ASSESS = "assess"
    PRIORITISE = "prioritise"
    PILOT = "pilot"
    ADOPT = "adopt"
    DECLINE = "decline"


class ProposalBody(Body):
    """`feed` is what a share request is about; it has to be listed."""

    area: str = Field(max_length=64)
    kind: ProposalKind
    title: Name
    need: Prose = Field("", description="who needs it, and what for")
    feed: Annotated[str | None, Field(max_length=64)] = None
    reason: Prose = ""


class StepBody(Body):
    """`text` is an assessment, or the answer that everyone reads; `decision` a recorded one."""

    text: Prose = ""
    priority: Annotated[int | None, Field(ge=1, le=5, description="1 comes first")] = None
    decision: Annotated[int | None, Field(ge=1, le=2**62)] = None
    reason: Prose = ""


class MemberBody(Body):
    name: Name
    organisation: Annotated[str | None, Field(max_length=64)] = None


class DecisionBody(Body):
    """Without an `area` it is one of the whole hub."""

    reference: Name = Field(description="where it is filed, such as KS 2026/117 § 12")
    title: Name
    text: Prose = ""
    decided_on: date
    members: Annotated[tuple[MemberBody, ...], Field(max_length=200)]
    area: Annotated[str | None, Field(max_length=64)] = None
    reason: Note = ""


@router.get("/proposals", summary="What was proposed, and what became of it")
async def list_proposals(
    db: Connection,
    caller: Caller,
    *,
    area: Annotated[str | None, Query(description="only of this business area")] = None,
    state: Annotated[ProposalState | None, Query(description="only in this state")] = None,
    organisation: Annotated[str | None, Query(description="only of this organisation")] = None,
    after: After = 0,
    limit: Limit = None,
) -> dict[str, Any]:
    """Everyone sees title, state and answer; more see those who propose and who answer."""
    size = parse_limit(limit, MOST)
    found = await portfolio.proposals(
        db, area=area, state=state, organisation=organisation, after=after, limit=size
    )
    areas = {one.id: one for one in await portfolio.areas(db)}
    return {
        "proposals": [_proposal(one, areas[one.area], caller) for one in found],
        "next": found[-1].id if len(found) == size else None,
    }


@router.post("/proposals", summary="Propose something", status_code=HTTPStatus.CREATED)
async def submit_proposal(
    request: Request,
    body: ProposalBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ask for a new feed, a new sensor, or that a listed feed be shared. Needs any role."""
    check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    new = Proposal(
        0, body.area, body.kind, body.title, body.need, caller.organisation, deed.actor.id, deed.at,
        body.feed,
    )  # fmt: skip

    async def work() -> dict[str, Any]:
        files = PortfolioFiles(db)
        made = await proposing.submit(files, deed, new)
        return await _with_area(files, made, caller)

    return await once(
        request, db, caller.actor.id, idempotency_key, work, status=HTTPStatus.CREATED
    )


@router.get("/proposals/{proposal}", summary="One proposal")
async def get_proposal(proposal: ID, db: Connection, caller: Caller) -> dict[str, Any]:
    found = await portfolio.proposal(db, proposal)
    if found is None:
        raise NotFound(f"there is no proposal {proposal}")
    return await _with_area(PortfolioFiles(db), found, caller)


@router.post("/proposals/{proposal}:{step}", summary="Take the next step with a proposal")
async def take_step(
    request: Request,
    proposal: ID,
    step: Step,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    body: StepBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Assess and prioritise it, try it out, adopt or decline it: as a steward of its area.

    Who submitted it does not answer it. To adopt needs a recorded `decision`; to adopt or decline
    needs a `text`, which everyone reads. An illegal step is 409 and changes nothing.
    """
    check_known(caller)
    given = body or StepBody()
    deed = Deed(caller.actor, hub.now(), given.reason)
    said = Said(given.text, given.priority, given.decision)

    async def work() -> dict[str, Any]:
        files = PortfolioFiles(db)
        made = await proposing.answer(files, deed, proposal, ProposalAction(step), said)
        return await _with_area(files, made, caller)

    return await once(request, db, caller.actor.id, idempotency_key, work)


@router.get("/decisions", summary="What was decided, and by whom")
async def list_decisions(
    db: Connection,
    caller: Caller,
    *,
    area: Annotated[str | None, Query(description="only of this business area")] = None,
    after: After = 0,
    limit: Limit = None,
) -> dict[str, Any]:
    """For the organisations of the hub: decisions name people."""
    check_known(caller)
    size = parse_limit(limit, MOST)
    found = await portfolio.decisions(db, area=area, after=after, limit=size)
    return {
        "decisions": [_decision(one) for one in found],
        "next": found[-1].id if len(found) == size else None,
    }


@router.post("/decisions", summary="Record a decision", status_code=HTTPStatus.CREATED)
async def record_decision(
    request: Request,
    body: DecisionBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As a steward of its area; of the whole hub with the role hub-administrator.

    It is not changed again: other content under the same reference is 409.
    """
    check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    members = tuple(Member(one.name, one.organisation) for one in body.members)
    new = Decision(0, body.reference, body.title, body.text, body.decided_on, members, body.area)

    async def work() -> dict[str, Any]:
        return _decision(await deciding.record(PortfolioFiles(db), deed, new))

    return await once(
        request, db, caller.actor.id, idempotency_key, work, status=HTTPStatus.CREATED
    )


@router.get("/decisions/{decision}", summary="One decision")
async def get_decision(decision: ID, db: Connection, caller: Caller) -> dict[str, Any]:
    check_known(caller)
    found = await portfolio.decisions(db, decision_id=decision)
    if not found:
        raise NotFound(f"there is no decision {decision}")
    return _decision(found[0])


async def _with_area(files: PortfolioFiles, found: Proposal, caller: Principal) -> dict[str, Any]:
    area = await files.area(found.area)
    assert area is not None  # noqa: S101  proposals refer to it
    return _proposal(found, area, caller)


def _proposal(found: Proposal, area: BusinessArea, caller: Principal) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": found.id,
        "area": found.area,
        "kind": found.kind,
        "title": found.title,
        "organisation": found.organisation,
        "state": found.state,
        "submitted_at": write_time(found.submitted_at),
        "answer": found.answer,
        "decision": found.decision,
    }
    own = caller.organisation == found.organisation and bool(caller.roles)
    answers = caller.person is not None and tends(caller.actor, area)
    if own or answers:
        told |= {
            "need": found.need,
            "feed": found.feed,
            "submitted_by": found.submitted_by,
            "assessment": found.assessment,
            "priority": found.priority,
        }
    return told


def _decision(found: Decision) -> dict[str, Any]:
    return {
        "id": found.id,
        "reference": found.reference,
        "title": found.title,
        "text": found.text,
        "decided_on": found.decided_on.isoformat(),
        "members": [{"name": m.name, "organisation": m.organisation} for m in found.members],
        "area": found.area,
    }
