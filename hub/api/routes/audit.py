"""Who did what, when and why, as far as it concerns the caller's organisation."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from hub.api.asking import parse_limit
from hub.api.deps import Caller, Connection
from hub.api.formats import write_time
from hub.domain.people import Role
from hub.errors import NotAuthenticated, NotPermitted
from hub.storage import audit

MOST_EVENTS = 1_000
_READERS = frozenset({Role.AUDITOR, Role.DATA_OFFICER, Role.HUB_ADMINISTRATOR})

router = APIRouter(prefix="/api/v1", tags=["audit"])


@router.get("/audit", summary="Who did what, when and why; newest first")
async def list_events(
    db: Connection,
    caller: Caller,
    *,
    subject: Annotated[str | None, Query(description="such as agreement/12")] = None,
    before: Annotated[int, Query(ge=1, le=2**62, description="from `next` of the page before")] = 2
    ** 62,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """Return what concerns your organisation; a hub administrator sees everything.

    Needs the role auditor or data-officer.
    """
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of a person with the role auditor or data-officer")
    if not caller.roles & _READERS:
        raise NotPermitted("this needs the role auditor or data-officer")
    of = None if Role.HUB_ADMINISTRATOR in caller.roles else caller.organisation
    size = parse_limit(limit, MOST_EVENTS)
    rows = await audit.seen_by(db, of, subject=subject, before=before, limit=size)
    return {
        "events": [
            {**row, "at": write_time(row["at"]), "detail": json.loads(row["detail"])}
            for row in rows
        ],
        "next": rows[-1]["position"] if len(rows) == size else None,
    }
