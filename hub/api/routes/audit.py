"""Who did what, when and why, as far as it concerns the caller's organisation."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from hub.api.asking import parse_limit
from hub.api.deps import Caller, Connection
from hub.api.formats import write_time
from hub.domain.audit import Event
from hub.domain.people import Role
from hub.domain.sharing import Principal
from hub.errors import NotAuthenticated, NotFound, NotPermitted
from hub.storage import audit

MOST_EVENTS = 1_000
TWO_SIDES = 2
_READERS = frozenset({Role.AUDITOR, Role.DATA_OFFICER, Role.HUB_ADMINISTRATOR})

router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit", summary="Who did what, when and why; newest first")
async def list_events(
    db: Connection,
    caller: Caller,
    *,
    subject: Annotated[str | None, Query(description="such as agreement/12")] = None,
    action: Annotated[str | None, Query(description="such as feed.read")] = None,
    before: Annotated[int, Query(ge=1, le=2**62, description="from `next` of the page before")] = 2
    ** 62,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """Return what concerns your organisation; a hub administrator sees everything.

    Needs the role auditor or data-officer.
    """
    _check_may_read(caller)
    of = None if Role.HUB_ADMINISTRATOR in caller.roles else caller.organisation
    size = parse_limit(limit, MOST_EVENTS)
    rows = await audit.seen_by(db, of, subject=subject, action=action, before=before, limit=size)
    return {
        "events": [
            {**row, "at": write_time(row["at"]), "detail": json.loads(row["detail"])}
            for row in rows
        ],
        "next": rows[-1]["position"] if len(rows) == size else None,
    }


@router.get("/audit/{position}/proof", summary="What proves that one event is in the audit")
async def prove_event(
    position: Annotated[int, Path(ge=1, le=2**62, description="of the event")],
    db: Connection,
    caller: Caller,
) -> dict[str, Any]:
    """Return the event as it was hashed, and what leads from it to the anchor that covers it.

    Whoever has the anchors, which are kept outside of the hub, checks it alone: docs/audit.md tells
    how. An event that no anchor covers yet is 409. Needs the role auditor or data-officer.
    """
    _check_may_read(caller)
    found = await audit.one(db, position)
    everything = Role.HUB_ADMINISTRATOR in caller.roles
    if found is None or not (everything or caller.organisation in found.event.organisations):
        raise NotFound(f"there is no event {position} that concerns your organisation")
    if not everything and _tells_of_others(found.event, caller.organisation):
        raise NotPermitted(
            "the proof would name the others whom this event concerns: ask "
            f"'{found.event.organisation or 'the hub'}', who did it"
        )
    return await audit.prove(db, found)


def _check_may_read(caller: Principal) -> None:
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of a person with the role auditor or data-officer")
    if not caller.roles & _READERS:
        raise NotPermitted("this needs the role auditor or data-officer")


def _tells_of_others(event: Event, organisation: str) -> bool:
    """Tell whether an event names more than its two sides, to somebody who did not do it.

    A feed that ends concerns all of its consumers, and none of them may know of the others.
    """
    return len(event.organisations) > TWO_SIDES and event.organisation != organisation
