"""How is the way in doing? For applications that operate the hub."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from hub.api.asking import parse_limit, parse_time
from hub.api.deps import Caller, Connection, TheHub
from hub.api.formats import write_time
from hub.domain.intake import Reason, Replayed
from hub.domain.sharing import Principal, Scope
from hub.errors import BadRequest, Conflict, NotAuthenticated, NotFound, NotPermitted
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


def _filter(
    *,
    reason: Annotated[Reason | None, Query(description="only for this reason")] = None,
    connector: Annotated[str | None, Query(description="only of this connector")] = None,
    device: Annotated[str | None, Query(description="only of this device")] = None,
    since: Annotated[str | None, Query(alias="from", description="arrived then or later")] = None,
    until: Annotated[str | None, Query(alias="to", description="arrived before")] = None,
) -> Filter:
    since_, until_ = parse_time("from", since), parse_time("to", until)
    return Filter(None, reason, connector, device, since_, until_)


Wanted = Annotated[Filter, Depends(_filter)]


@router.get("/rejections", summary="What could not be accepted, newest first")
async def list_rejections(
    db: Connection,
    caller: Caller,
    wanted: Wanted,
    *,
    before: Annotated[int | None, Query(ge=1, description="from `next` of the page before")] = None,
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """Payloads are shown one by one. Needs a key with the scope hub:operate."""
    _check_operator(caller)
    size = parse_limit(limit, MOST_REJECTIONS)
    rows = await rejections.listed(db, wanted, before=before, limit=size)
    return {
        "rejections": [{**row, "received_at": write_time(row["received_at"])} for row in rows],
        "next": rows[-1]["id"] if len(rows) == size else None,
    }


@router.get("/rejections/{rejection}", summary="One rejection, with its payload")
async def get_rejection(db: Connection, caller: Caller, rejection: int) -> dict[str, Any]:
    """Return the payload as Base64 (RFC 4648). Needs a key with the scope hub:operate."""
    _check_operator(caller)
    row = await rejections.whole(db, rejection)
    if row is None:
        raise _no_rejection(rejection)
    payload = base64.b64encode(row["payload"]).decode()
    return {**row, "received_at": write_time(row["received_at"]), "payload": payload}


@router.post("/rejections/{rejection}:replay", summary="Take one rejected message in again")
async def replay_rejection(
    db: Connection, hub: TheHub, caller: Caller, rejection: int
) -> dict[str, int]:
    """Idempotent: once it was taken in there is no such rejection. Needs the scope hub:operate."""
    _check_operator(caller)
    if await rejections.whole(db, rejection) is None:
        raise _no_rejection(rejection)
    done = await hub.replay(Filter(rejection), 0, None)
    if not done.messages:
        raise Conflict("its payload was kept in part only, or it was a retained copy")
    return _counts(done)


@router.post("/rejections:replay", summary="Take rejected messages in again, a commit at a time")
async def replay_rejections(
    db: Connection,
    hub: TheHub,
    caller: Caller,
    wanted: Wanted,
    cursor: Annotated[str | None, Query(description="from `next` of the answer before")] = None,
) -> dict[str, Any]:
    """Replay the next messages that the filter selects, once their cause is mended.

    Repeat with `cursor` until `next` is null; `remaining` says how far it is. What is rejected
    again stays listed and is not tried twice. Needs the scope hub:operate.
    """
    _check_operator(caller)
    after, until = _cursor(cursor)
    done = await hub.replay(wanted, after, until)
    ended = not done.messages
    return {
        **_counts(done),
        "remaining": await rejections.count(db, wanted, after=done.last, until=done.until),
        "next": None if ended else f"{done.last}-{done.until}",
    }


def _cursor(text: str | None) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    after, _, until = text.partition("-")
    if not (after.isdecimal() and until.isdecimal() and len(text) < 40):  # noqa: PLR2004  two ids
        raise BadRequest("cursor is none of ours: use `next` of the answer before as it is")
    return int(after), int(until)


def _counts(done: Replayed) -> dict[str, int]:
    return {
        "messages": done.messages,
        "stored": done.stored,
        "duplicates": done.duplicates,
        "rejected": done.rejected,
    }


def _no_rejection(id_: int) -> NotFound:
    return NotFound(f"there is no rejection {id_}: it never was, was replayed, or has expired")


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
