"""Who asks? A key becomes an application of an organisation; no key becomes the public."""

import base64
import binascii
from datetime import datetime
from typing import NamedTuple

from fastapi import Request

from hub.domain.identity import PUBLIC
from hub.domain.people import Role
from hub.domain.sharing import Principal, Scope
from hub.errors import NotAuthenticated
from hub.sharing.keys import is_key, prefix_of
from hub.storage import sharing
from hub.storage.pool import Db

COOKIE = "stadsnav_key"

ANYONE = Principal(PUBLIC)
USABLE = ("active", "rotating")


class DeviceLogin(NamedTuple):
    """A device that hands in readings over HTTP with its broker password."""

    device: str
    password: str


def key_of(request: Request) -> str | None:
    """Return the key of a request: from its header, or from the page's session cookie.

    Raises NotAuthenticated for another kind of credential.
    """
    header = request.headers.get("authorization")
    if header is None:
        # A cookie comes by itself, also with a form that another site sends: it may read only.
        return request.cookies.get(COOKIE) if request.method in ("GET", "HEAD") else None
    kind, _, credential = header.partition(" ")
    if kind.lower() != "bearer" or not credential.strip():
        raise NotAuthenticated("send your key as 'Authorization: Bearer stn_…'")
    return credential.strip()


def device_login_of(request: Request) -> DeviceLogin | None:
    """Return the device's user name and password, if the request carries Basic credentials."""
    kind, _, credential = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        text = base64.b64decode(credential, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise NotAuthenticated("the Basic credentials cannot be read") from error
    device, _, password = text.partition(":")
    return DeviceLogin(device, password)


async def authenticate(db: Db, key: str | None, now: datetime) -> Principal:
    """Return whom a key speaks for. Raises NotAuthenticated if it is none of ours or has ended."""
    if key is None:
        return ANYONE
    prefix = prefix_of(key)
    row = await sharing.key(db, prefix) if prefix else None
    if row is None or not is_key(key, row["hash"]) or row["state"] not in USABLE:
        raise NotAuthenticated("this key is not valid: it is mistyped, revoked, or of another hub")
    if row["expires_at"] is not None and row["expires_at"] <= now:
        raise NotAuthenticated(f"this key expired at {row['expires_at'].isoformat()}")
    roles = frozenset(map(Role, row["roles"]))
    scopes = frozenset(map(Scope, row["scopes"])) or _scopes_of(roles)
    return Principal(row["organisation"], row["application"], scopes, row["person"], roles)


def check_known(caller: Principal) -> None:
    """Raise NotAuthenticated for somebody without a key."""
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of yours: this is for the hub's organisations")


def _scopes_of(roles: frozenset[Role]) -> frozenset[Scope]:
    """Return what a person may do with feeds and the hub: who has any role may read."""
    if not roles:
        return frozenset()
    operates = {Scope.OPERATE} if Role.HUB_ADMINISTRATOR in roles else set()
    return frozenset({Scope.READ} | operates)
