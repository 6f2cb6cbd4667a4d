"""How do devices come, change their credentials, and go? Every step is on record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from hub.domain import audit
from hub.domain.audit import Event
from hub.domain.devices import (
    LONGEST_OVERLAP,
    OVERLAP,
    Credential,
    DeviceAction,
    DeviceFile,
    IllegalStep,
    NewDevice,
    step,
    user_name,
)
from hub.domain.durations import format_duration
from hub.domain.identity import RESERVED, slug
from hub.domain.people import HUB, Actor, Deed, Role
from hub.errors import BadRequest, Conflict, NotFound, NotPermitted


class Minted(NamedTuple):
    """A new password and its hash."""

    password: str
    hash: str


Mint = Callable[[], Minted]


@dataclass(frozen=True, slots=True)
class Fresh:
    """What a device needs to sign in, seen this once. `ends`: when its other password does."""

    device: str
    user: str
    password: str
    ends: datetime | None = None


class Files(Protocol):
    """What managing needs of the store; `hub.storage.devices` is it."""

    async def locked(self, device: str) -> DeviceFile | None: ...
    async def add(self, new: Sequence[NewDevice]) -> None: ...
    async def put(self, credentials: Sequence[Credential]) -> None: ...
    async def end_credentials(self, device: str) -> int: ...
    async def save(self, changed: DeviceFile) -> None: ...
    async def record(self, event: Event) -> None: ...


async def provision(
    files: Files, deed: Deed, wanted: Sequence[NewDevice], mint: Mint
) -> list[Fresh]:
    """Register devices, each with a password; all of them or none.

    Raises Conflict for ids that are taken, NotFound for what they refer to, NotPermitted without
    the role technician.
    """
    for new in wanted:
        _check_may(deed.actor, new.device.organisation)
        _check_id(new.device.id)
    await files.add(wanted)
    made, fresh = [], []
    for new in wanted:
        minted = mint()
        made.append(Credential(new.device.id, 1, minted.hash, deed.at))
        fresh.append(Fresh(new.device.id, user_name(new.device.id, 1), minted.password))
    await files.put(made)
    ids = [new.device.id for new in wanted]
    owners = frozenset(new.device.organisation for new in wanted)
    subject = f"device/{ids[0]}" if len(ids) == 1 else "devices"
    await _record(files, deed, "provision", subject, owners, devices=ids)
    return fresh


async def rotate(
    files: Files, deed: Deed, device: str, mint: Mint, overlap: timedelta = OVERLAP
) -> Fresh:
    """Give a device a second password, under a user name of its own; the first ends later.

    Raises Conflict while an earlier rotation still overlaps.
    """
    if not timedelta() < overlap <= LONGEST_OVERLAP:
        raise BadRequest(f"the overlap is at most {format_duration(LONGEST_OVERLAP)}")
    current = await _of_actor(files, deed.actor, device)
    valid = [one for one in current.credentials if one.is_valid(deed.at)]
    if len(valid) > 1:
        until = min(one.expires_at for one in valid if one.expires_at is not None)
        raise Conflict(
            f"'{device}' has two passwords already, the older one until {until.isoformat()}: wait, "
            "or give it a single new one"
        )
    minted, slot = mint(), 2 if valid and valid[0].slot == 1 else 1
    ends = deed.at + overlap if valid else None
    former = [replace(one, expires_at=ends) for one in valid]
    await files.put([*former, Credential(device, slot, minted.hash, deed.at)])
    told = None if ends is None else ends.isoformat()
    await _record_one(files, deed, "rotate", current, former_ends_at=told)
    return Fresh(device, user_name(device, slot), minted.password, ends)


async def renew(files: Files, deed: Deed, device: str, mint: Mint) -> Fresh:
    """Give a device a single new password; every other ends at once."""
    current = await _of_actor(files, deed.actor, device)
    minted = mint()
    await files.end_credentials(device)
    await files.put([Credential(device, 1, minted.hash, deed.at)])
    await _record_one(files, deed, "renew", current)
    return Fresh(device, user_name(device, 1), minted.password)


async def revoke(files: Files, deed: Deed, device: str) -> DeviceFile:
    """End every password of a device: the broker ends its connection within seconds."""
    current = await _of_actor(files, deed.actor, device)
    if await files.end_credentials(device):
        await _record_one(files, deed, "revoke", current)
    return replace(current, credentials=())


async def act(files: Files, deed: Deed, device: str, action: DeviceAction) -> DeviceFile:
    """Take one step with a device; raise Conflict where its state does not allow it.

    A quarantine needs a reason. Who is decommissioned loses every password.
    """
    current = await _of_actor(files, deed.actor, device)
    if action is DeviceAction.QUARANTINE and not deed.reason.strip():
        raise BadRequest("a quarantine needs a 'reason': whoever looks at it wants to know")
    try:
        to = step(current.device.state, action)
    except IllegalStep as error:
        raise Conflict(str(error)) from error
    if to is current.device.state:
        return current  # it was done already
    reason = deed.reason if action is DeviceAction.QUARANTINE else ""
    changed = replace(
        current, device=replace(current.device, state=to), reason=reason, changed_at=deed.at
    )
    await files.save(changed)
    if action is DeviceAction.DECOMMISSION:
        await files.end_credentials(device)
        changed = replace(changed, credentials=())
    await _record_one(files, deed, action, changed, **{"from": current.device.state, "to": to})
    return changed


def _check_id(device: str) -> None:
    try:
        slug(device)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    if device.startswith(RESERVED):
        raise Conflict(f"ids that begin with '{RESERVED}' are the hub's own at the broker")


def _check_may(actor: Actor, organisation: str) -> None:
    if actor == HUB or (actor.organisation is None and actor.id.startswith("operator:")):
        return
    if Role.TECHNICIAN not in actor.roles:
        raise NotPermitted("this needs the role technician, or a key with devices:manage")
    if organisation != actor.organisation:
        raise NotPermitted(f"you act for '{actor.organisation}', so its devices are yours")


async def _of_actor(files: Files, actor: Actor, device: str) -> DeviceFile:
    found = await files.locked(device)
    sees = actor.organisation is None or (
        found is not None and found.device.organisation == actor.organisation
    )
    if found is None or not sees:
        whose = "" if actor.organisation is None else f" of '{actor.organisation}'"
        raise NotFound(f"there is no device '{device[:64]}'{whose}")
    _check_may(actor, found.device.organisation)
    return found


async def _record_one(
    files: Files, deed: Deed, action: str, file: DeviceFile, **members: object
) -> None:
    owner = frozenset({file.device.organisation})
    await _record(files, deed, action, f"device/{file.device.id}", owner, **members)


async def _record(
    files: Files, deed: Deed, action: str, subject: str, owners: frozenset[str], **members: object
) -> None:
    await files.record(
        Event(
            deed.actor.id, deed.actor.organisation, f"device.{action}", subject, owners, deed.at,
            deed.reason, deed.decision, audit.detail(**members),
        )
    )  # fmt: skip
