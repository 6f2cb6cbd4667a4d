"""What is registered: organisations, devices, observed properties, datastreams, credentials."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from hub.domain.devices import user_name
from hub.domain.identity import RESERVED
from hub.domain.registry import ConnectorRule, DeviceRules, Registry, StreamRules
from hub.domain.sensing import (
    ConflictRule,
    Device,
    DeviceState,
    ObservedProperty,
    ResultKind,
)
from hub.errors import Conflict, NotFound
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_DEVICES = statement("registry", "devices")
_CONNECTOR_RULE = statement("registry", "connector_rule")
_CREDENTIALS = statement("registry", "credentials")
_SHUT_OUT = statement("registry", "shut_out")
_CREDENTIAL = statement("registry", "credential")
_STATE = statement("registry", "state")
_ORGANISATION_OF_DEVICE = statement("registry", "organisation_of_device")
_INSERT_ORGANISATION = statement("registry", "insert_organisation")
_ORGANISATIONS = statement("registry", "organisations")
_INSERT_PROPERTY = statement("registry", "insert_property")
_PROPERTIES = statement("registry", "properties")
_INSERT_DEVICE = statement("registry", "insert_device")
_INSERT_DATASTREAMS = statement("registry", "insert_datastreams")
_SET_CREDENTIAL = statement("registry", "set_credential")
_SET_CONNECTOR_RULE = statement("registry", "set_connector_rule")
_SET_RECEIPTS = statement("registry", "set_receipts")


async def load(db: Db, connector: str) -> Registry:
    """Read everything acceptance needs to know, as of now."""
    devices: dict[str, DeviceRules] = {}
    for row in await db.fetch(_DEVICES):
        rules = devices.get(row["device"])
        if rules is None:
            state = DeviceState(row["state"])
            rules = devices[row["device"]] = DeviceRules(
                state,
                moving=row["moving"],
                streams={},
                receipts=row["receipts"],
                organisation=row["organisation"],
            )
        if row["datastream"] is not None:
            rules.streams[row["property"]] = StreamRules(
                row["datastream"],
                numeric=row["kind"] == ResultKind.NUMBER,
                low=row["low"],
                high=row["high"],
                unit=row["unit"],
            )
    return Registry(devices, await _connector_rule(db, connector))


async def _connector_rule(db: Db, connector: str) -> ConnectorRule:
    row = await db.fetchrow(_CONNECTOR_RULE, connector)
    if row is None or row["on_unknown"] == "reject":
        return ConnectorRule(register_under=None)
    return ConnectorRule(register_under=row["organisation"])


class Credentials(NamedTuple):
    """Who may use the broker, as (user name, password hash), sorted; and when the next one ends."""

    users: list[tuple[str, str]]
    next_end: datetime | None


async def credentials(db: Db) -> Credentials:
    """Return what devices may sign in with at this moment."""
    rows = await db.fetch(_CREDENTIALS)
    ends = [row["expires_at"] for row in rows if row["expires_at"] is not None]
    users = [(user_name(row["device"], row["slot"]), row["hash"]) for row in rows]
    return Credentials(users, min(ends, default=None))


async def shut_out(db: Db) -> list[str]:
    """Return the devices that may not use the broker, whatever they sign in with, sorted."""
    return [row["id"] for row in await db.fetch(_SHUT_OUT)]


async def hashes(db: Db, device: str) -> dict[int, str]:
    """Return the password hashes of one device that may report, by slot."""
    return {row["slot"]: row["hash"] for row in await db.fetch(_CREDENTIAL, device)}


async def may_report(db: Db, device: str) -> bool:
    """Tell whether there is such a device, in a state that lets it report."""
    state = await db.fetchval(_STATE, device)
    return state is not None and DeviceState(state).may_report


async def organisation_of(db: Db, device: str) -> str | None:
    organisation: str | None = await db.fetchval(_ORGANISATION_OF_DEVICE, device)
    return organisation


async def add_organisation(db: Db, organisation: str, name: str) -> None:
    if await db.fetchval(_INSERT_ORGANISATION, organisation, name) is None:
        raise Conflict(f"organisation '{organisation}' exists already")


async def organisations(db: Db) -> list[Record]:
    """Return id, name, and how many devices and feeds each has."""
    return await db.fetch(_ORGANISATIONS)


async def add_property(db: Db, observed: ObservedProperty) -> None:
    added = await db.fetchval(
        _INSERT_PROPERTY, observed.id, observed.name, observed.unit, observed.definition,
        observed.kind, observed.low, observed.high,
    )  # fmt: skip
    if added is None:
        raise Conflict(f"observed property '{observed.id}' exists already")


async def properties(db: Db) -> list[Record]:
    return await db.fetch(_PROPERTIES)


async def add_device(
    db: Db,
    device: Device,
    observed: Sequence[str],
    *,
    password_hash: str | None = None,
    on_conflict: ConflictRule = ConflictRule.KEEP,
) -> None:
    """Register a device with a datastream per observed property, and its broker credential."""
    if device.id.startswith(RESERVED):
        raise Conflict(f"ids that begin with '{RESERVED}' are the hub's own at the broker")
    lon, lat = device.position or (None, None)
    async with db.transaction():
        try:
            added = await db.fetchval(
                _INSERT_DEVICE, device.id, device.organisation, device.kind, device.name, lon, lat,
                device.moving, device.state,
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound(
                f"there is no organisation '{device.organisation}': "
                f"stadsnav admin organisation create {device.organisation}"
            ) from error
        if added is None:
            raise Conflict(f"device '{device.id}' exists already")
        await add_datastreams(db, device.id, observed, on_conflict=on_conflict)
        if password_hash is not None:
            await set_credential(db, device.id, password_hash)


async def add_datastreams(
    db: Db,
    device: str,
    observed: Sequence[str],
    *,
    on_conflict: ConflictRule = ConflictRule.KEEP,
) -> None:
    """Let a device report these observed properties; those it reports already stay as they are."""
    try:
        await db.execute(_INSERT_DATASTREAMS, device, list(observed), on_conflict)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(
            f"device '{device}' or one of the observed properties {', '.join(observed)} is not "
            "registered: stadsnav admin property list shows those that are"
        ) from error


async def set_credential(db: Db, device: str, password_hash: str) -> None:
    """Give a device a new password; the old one ends."""
    try:
        await db.execute(_SET_CREDENTIAL, device, password_hash)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no device '{device}'") from error


async def set_receipts(db: Db, device: str, *, wanted: bool) -> None:
    """Let a device be told, or no longer, what became of each of its messages."""
    if await db.fetchval(_SET_RECEIPTS, device, wanted) is None:
        raise NotFound(f"there is no device '{device}'")


async def set_connector_rule(db: Db, connector: str, register_under: str | None) -> None:
    """Let a connector take in unknown devices under an organisation, or reject them (None)."""
    rule = "reject" if register_under is None else "register"
    try:
        await db.execute(_SET_CONNECTOR_RULE, connector, rule, register_under)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no organisation '{register_under}'") from error
