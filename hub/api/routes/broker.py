"""What a broker that asks the hub is told: who may sign in, and for what.

EMQX 5 asks over HTTP before it lets a client in and before each first use of a topic. So a cluster
needs no copy of the registry. The answers are those that EMQX documents.
"""

import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from hub.api.context import BrokerHook
from hub.api.deps import Connection, TheHub
from hub.api.signing_in import device_signing_in, may_report
from hub.domain.topics import device_may, hub_may
from hub.errors import NotAuthenticated, NotFound

router = APIRouter(prefix="/api/v1/broker", tags=["broker"])

ALLOW = {"result": "allow", "is_superuser": False}
DENY = {"result": "deny"}


class _Asked(BaseModel):
    """What EMQX sends; it may send more."""

    model_config = ConfigDict(extra="ignore")

    clientid: str = ""
    username: str | None = None


class Authentication(_Asked):
    """`password` is the client's own; `cert_common_name` is empty without a certificate."""

    password: str | None = None
    cert_common_name: str | None = None


class Authorization(_Asked):
    """`action` is publish or subscribe; `retain` comes with publish."""

    action: str
    topic: str
    retain: bool | str | None = None


def _hook(request: Request, hub: TheHub) -> BrokerHook:
    if hub.broker_hook is None:
        raise NotFound("no broker asks this hub: STADSNAV_API_BROKER_HOOK_SECRET is not set")
    given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
    if not hmac.compare_digest(given, hub.broker_hook.secret.encode()):
        raise NotAuthenticated("this is for the broker, with the secret of the hook")
    return hub.broker_hook


Hook = Annotated[BrokerHook, Depends(_hook)]


@router.post("/authentication", summary="May this client sign in? For EMQX")
async def authentication(
    asked: Authentication, db: Connection, hub: TheHub, hook: Hook
) -> dict[str, Any]:
    """Say whether; its client id must be its user name, or it could take over another's session."""
    user = asked.username or ""
    if not user or asked.clientid != user:
        return DENY
    if user in hook.users:
        known = hub.check_password(asked.password or "", hook.users[user])
        return ALLOW if known else DENY
    if asked.cert_common_name not in (
        None,
        "",
        "undefined",
    ):
        matches = asked.cert_common_name == user and await may_report(db, user) == user
        return ALLOW if matches else DENY
    device = await device_signing_in(db, hub, user, asked.password or "")
    return ALLOW if device is not None else DENY


@router.post("/authorization", summary="May this client use this topic? For EMQX")
async def authorization(asked: Authorization, db: Connection, hook: Hook) -> dict[str, Any]:
    """Say whether: a device publishes to its own topic, not retained, and hears its receipts."""
    user = asked.username or ""
    if user in hook.users:
        return ALLOW if hub_may(asked.action, asked.topic) else DENY
    device = await may_report(db, user)
    retain = asked.retain in (True, "true", "1")
    if device is None or not device_may(device, asked.action, asked.topic, retain=retain):
        return DENY
    return ALLOW
