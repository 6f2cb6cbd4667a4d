"""How is the way in doing? For applications that operate the hub."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from hub.api.asking import parse_limit, parse_time
from hub.api.deps import Caller, Connection
from hub.api.formats import write_time
from hub.domain.intake import Reason
from hub.domain.sharing import Principal, Scope
from hub.errors import NotAuthenticated, NotPermitted
from hub.storage import operation, rejections
from hub.storage.pool import Record
from hub.storage.rejections import Filter

MOST_REJECTIONS = 1_000

router = APIRouter(prefix="/api/v1", tags=["operation"])


@router.get("/connectors", summary="What every connector received, and what became of it")
async def connectors(db: Connection, caller: Caller) -> dict[str, Any]:
    """Received = stored + duplicates + rejected, always. Needs a key with the scope hub:operate."""
    _check_operator(caller)
    reasons = await operation.rejected_by_reason(db)
    processes = await operation.processes(db)
    return {
        "connectors": [
            _connector(row, reasons, processes) for row in await operation.connectors(db)
        ]
    }


def _check_operator(caller: Principal) -> None:
    if caller.is_anonymous:
        raise NotAuthenticated("send a key with the scope hub:operate")
    if Scope.OPERATE not in caller.scopes:
        raise NotPermitted("the key lacks the scope hub:operate")


@router.get("/rejections", summary="What could not be accepted, newest first")
async def list_rejections(
    db: Connection,
    caller: Caller,
    *,
    reason: Annotated[Reason | None, Query(description="only for this reason")] = None,
    connector: Annotated[str | None, Query(description="only of this connector")] = None,
    device: Annotated[str | None, Query(description="only of this device")] = None,
    since: Annotated[str | None, Query(alias="from", description="arrived then or later")] = None,
    until: Annotated[str | None, Query(alias="to", description="arrived before")] = None,
    before: Annotated[int | None, Query(ge=1, description="from `next` of the page before")] = None,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """Payloads are not shown. Needs a key with the scope hub:operate."""
    _check_operator(caller)
    wanted = Filter(reason, connector, device, parse_time("from", since), parse_time("to", until))
    size = parse_limit(limit, MOST_REJECTIONS)
    rows = await rejections.listed(db, wanted, before=before, limit=size)
    return {
        "rejections": [{**row, "received_at": write_time(row["received_at"])} for row in rows],
        "next": rows[-1]["id"] if len(rows) == size else None,
    }


def _connector(row: Record, reasons: list[Record], processes: list[Record]) -> dict[str, Any]:
    own = [p for p in processes if p["connector"] == row["id"]]
    return {
        "id": row["id"],
        "messages": row["messages"],
        "received": row["received"],
        "stored": row["stored"],
        "duplicates": row["duplicates"],
        "rejected": row["rejected"],
        "rejected_last_day": {
            r["reason"]: r["readings"] for r in reasons if r["connector"] == row["id"]
        },
        "in_flight": sum(p["in_flight"] for p in own if p["connected"]),
        "rate_per_s": row["rate_per_s"],
        "lag_s": row["lag_s"],
        "last_message_at": row["last_message_at"] and write_time(row["last_message_at"]),
        "unknown_devices": row["organisation"] or "rejected",
        "processes": [
            {
                "client_id": p["client_id"],
                "connected": p["connected"],
                "in_flight": p["in_flight"],
                "qos0_dropped": p["qos0_dropped"],
                "reported_at": write_time(p["reported_at"]),
            }
            for p in own
        ],
    }
