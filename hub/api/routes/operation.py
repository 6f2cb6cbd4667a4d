"""How is the way in doing? For applications that operate the hub."""

from typing import Any

from fastapi import APIRouter

from hub.api.deps import Caller, Connection
from hub.api.formats import write_time
from hub.domain.sharing import Scope
from hub.errors import NotAuthenticated, NotPermitted
from hub.storage import operation
from hub.storage.pool import Record

router = APIRouter(prefix="/api/v1", tags=["operation"])


@router.get("/connectors", summary="What every connector received, and what became of it")
async def connectors(db: Connection, caller: Caller) -> dict[str, Any]:
    """Received = stored + duplicates + rejected, always. Needs a key with the scope hub:operate."""
    if caller.is_anonymous:
        raise NotAuthenticated("send a key with the scope hub:operate")
    if Scope.OPERATE not in caller.scopes:
        raise NotPermitted("the key lacks the scope hub:operate")
    reasons = await operation.rejected_by_reason(db)
    processes = await operation.processes(db)
    return {
        "connectors": [
            _connector(row, reasons, processes) for row in await operation.connectors(db)
        ]
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
