"""Why can somebody see something, or not? Told to those who answer for it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from hub.api.asking import parse_time
from hub.api.deps import Caller, Connection, TheHub
from hub.api.formats import write_time
from hub.api.routes.feeds import shape_of
from hub.domain.identity import PUBLIC
from hub.domain.people import Role
from hub.domain.sharing import Principal, Scope
from hub.errors import NotAuthenticated, NotFound, NotPermitted
from hub.sharing.access import Considered, Decision, Denial, explain
from hub.sharing.shaping import withheld
from hub.storage import sharing
from hub.storage.pool import Db
from hub.storage.records import Records

router = APIRouter(prefix="/api/v1/access", tags=["agreements"])

MAY_ASK = frozenset({Role.DATA_OFFICER, Role.STEWARD, Role.AUDITOR})


@router.get("/explain", summary="Why somebody can or cannot read a feed")
async def explain_access(
    db: Connection,
    caller: Caller,
    hub: TheHub,
    *,
    feed: Annotated[str, Query(description="which feed; yours, or one that you consume")],
    organisation: Annotated[
        str | None, Query(description="who would read it; `public` is everyone; default you")
    ] = None,
    application: Annotated[
        str | None, Query(description="with a key of this application; default any that may read")
    ] = None,
    at: Annotated[str | None, Query(description="at this instant; default now")] = None,
) -> dict[str, Any]:
    """Ask the very function that decides at every request.

    The feed's owner may ask about anybody, a consumer about itself. Needs the role data-officer,
    steward or auditor. To the owner it names every datastream that is withheld, and why.
    """
    now = parse_time("at", at) or hub.now()
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of yours: this needs a role in your organisation")
    if not caller.roles & MAY_ASK:
        raise NotPermitted(f"this needs the role {' or '.join(sorted(MAY_ASK))}")
    asked = organisation or caller.organisation
    found = await sharing.feed(db, feed)
    agreements = await sharing.agreements_about(db, feed, asked)
    owns = found is not None and found.organisation == caller.organisation
    knows = owns or bool(agreements) or (found is not None and found.listed)
    if found is None or not knows or not (owns or asked == caller.organisation):
        # In the same words for each, so that nobody learns which feeds there are.
        raise NotFound(
            f"you have no feed '{feed[:80]}'; about others' feeds, ask for your own organisation"
        )
    principal = await _principal(db, asked, application)
    decision = explain(principal, found, agreements, now)
    told = _told(decision)
    if not isinstance(decision.outcome, Denial) and owns:
        streams = await Records(db).datastreams(feed)
        reasons = [(stream, withheld(decision.outcome, stream)) for stream in streams]
        told["datastreams"] = {
            "let_through": sum(why is None for _, why in reasons),
            "withheld": [
                {"id": s.id, "device": s.device, "property": s.property, "why": why}
                for s, why in reasons
                if why is not None
            ],
        }
    return {
        "feed": feed,
        "state": found.state,
        "organisation": asked,
        "application": application,
        "at": write_time(now),
        **told,
    }


async def _principal(db: Db, organisation: str, application: str | None) -> Principal:
    """Return whom the decision is about; without an application one that may read."""
    if application is None:
        anonymous = organisation == PUBLIC
        return Principal(
            organisation,
            None if anonymous else "any",
            frozenset() if anonymous else frozenset({Scope.READ}),
        )
    found = await sharing.application(db, application)
    if found is None or found.organisation != organisation:
        raise NotFound(f"'{organisation}' has no application '{application[:80]}'")
    return found


def _told(decision: Decision) -> dict[str, Any]:
    outcome = decision.outcome
    if isinstance(outcome, Denial):
        answer: dict[str, Any] = {"may_read": False, "why": outcome.why}
    else:
        answer = {
            "may_read": True,
            "why": _because(outcome.agreement),
            "agreement": outcome.agreement,
            "ends_at": write_time(outcome.ends_at) if outcome.ends_at else None,
            "shape": shape_of(outcome.shape),
        }
    return {**answer, "considered": [_considered(one) for one in decision.considered]}


def _because(agreement: int | None) -> str:
    if agreement is None:
        return "the feed is its own"
    return f"agreement {agreement} is in force"


def _considered(one: Considered) -> dict[str, Any]:
    agreement = one.agreement
    return {
        "agreement": agreement.id,
        "consumer": agreement.consumer,
        "state": agreement.state,
        "gives_a_right": one.fails is None,
        "why": one.fails or "it is in force",
    }
