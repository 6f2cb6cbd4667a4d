"""Is this really that device? For readings over HTTP, and for brokers that ask the hub."""

import logging
import time

from hub.api.context import Hub
from hub.domain.devices import SECOND, device_of_user
from hub.domain.identity import is_slug
from hub.errors import StadsnavError
from hub.storage import registry
from hub.storage.pool import Db

log = logging.getLogger(__name__)


async def device_signing_in(db: Db, hub: Hub, user: str, password: str) -> str | None:
    """Return the device that signs in under a user name, None if it may not or is none.

    Over HTTP either name goes with either password: what tells them apart is for brokers that keep
    one password per name. Too many failures, and the device is quarantined.
    """
    device = device_of_user(user)
    hashes = await registry.hashes(db, device) if is_slug(device) else {}
    if any(hub.check_password(password, hashed) for hashed in hashes.values()):
        hub.guesses.succeeded(device)
        return device
    if hashes and hub.guesses.failed(device, time.monotonic()):
        try:
            await hub.quarantine(device, "repeated failure to sign in")
        except StadsnavError as error:
            log.warning("device=%s is not quarantined: %s", device, error)
    return None


async def may_report(db: Db, user: str) -> str | None:
    """Return the device behind a user name if its state lets it report, else None."""
    device = device_of_user(user)
    if user not in (device, f"{device}{SECOND}") or not is_slug(device):
        return None
    return device if await registry.may_report(db, device) else None
