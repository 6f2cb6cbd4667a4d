"""Hand in readings over HTTP: the payloads that come over MQTT, committed when the answer comes."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from hub.api.auth import authenticate, device_login_of, key_of
from hub.api.context import Hub
from hub.api.deps import TheHub
from hub.api.problems import problem
from hub.api.signing_in import device_signing_in
from hub.domain.identity import is_slug
from hub.domain.intake import Handed, Reason, Receipt
from hub.domain.sharing import Scope
from hub.errors import NotAuthenticated, NotFound, NotPermitted
from hub.storage import registry
from hub.storage.pool import Db

router = APIRouter(prefix="/api/v1", tags=["readings"])


@router.post("/readings", summary="Hand in readings")
async def post_readings(
    request: Request,
    hub: TheHub,
    device: Annotated[
        str | None,
        Query(description="the device; left out when it signs in itself, or the format says"),
    ] = None,
    format_: Annotated[
        str | None,
        Query(alias="format", max_length=60, description="the payload format; else `Content-Type`"),
    ] = None,
) -> JSONResponse:
    """Send with a key of the device's organisation that has the scope `readings:write`.

    Or sign in as the device itself: Basic credentials, its id and password as at the broker.
    The body is a native payload: `{"time": "…", "values": {"no2": 18}}`, or a list of such; or
    speaks the `format` that is named, or the one that its `Content-Type` means. With a key, and a
    format that names its devices, one body may hold readings of many: a network server's webhook.
    """
    async with hub.store.connection() as db:  # given back before receiving asks for its own
        sender = await _permitted(request, db, hub, device)
    handed = replace(
        sender,
        payload=await _body(request, hub.payload_bytes),
        format=format_,
        media_type=request.headers.get("content-type", ""),
    )
    return _answer(await hub.receive(handed))


async def _permitted(request: Request, db: Db, hub: Hub, device: str | None) -> Handed:
    """Return by or for whom something may be handed in."""
    login = device_login_of(request)
    if login is not None:
        own = await device_signing_in(db, hub, login.device, login.password)
        if own is None:
            raise NotAuthenticated("unknown device or wrong password")
        if device not in (None, own):
            raise NotPermitted(f"'{own}' may hand in its own readings only")
        return Handed(b"", own)
    caller = await authenticate(db, key_of(request), hub.now())
    if caller.is_anonymous:
        raise NotAuthenticated(
            "send a key with the scope readings:write, or the device's id and password as Basic"
        )
    if Scope.WRITE not in caller.scopes:
        raise NotPermitted("the key lacks the scope readings:write")
    if device is None:
        return Handed(b"", None, caller.organisation)
    owner = await registry.organisation_of(db, device) if is_slug(device) else None
    if owner != caller.organisation:
        raise NotFound(f"your organisation has no device '{device[:64]}'")
    return Handed(b"", device)


async def _body(request: Request, most: int) -> bytes:
    """Read no more than one byte beyond the limit: enough for the decoder to refuse it."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            break
    return bytes(body[: most + 1])


def _answer(receipt: Receipt) -> JSONResponse:
    outcome = receipt.outcome
    counts: dict[str, Any] = {
        "received": outcome.received,
        "stored": outcome.stored,
        "duplicates": outcome.duplicates,
        "rejected": outcome.rejected,
        "rejections": [
            {"reason": r.reason, "detail": r.detail, "readings": r.readings}
            for r in receipt.rejections
        ],
    }
    if outcome.rejected == 0 or outcome.rejected < outcome.received:
        return JSONResponse(counts)
    first = receipt.rejections[0]
    too_large = first.reason is Reason.TOO_LARGE
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else HTTPStatus.UNPROCESSABLE_ENTITY
    return problem(status, f"nothing was stored: {first.detail}", kind="rejected", **counts)
