"""Devices over HTTP: register them, give them passwords, take them out."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from hub.api.asking import parse_limit
from hub.api.bodies import Body, Duration
from hub.api.deps import Caller, Connection, TheHub
from hub.api.formats import write_time
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.devices import OVERLAP, DeviceAction, DeviceFile, NewDevice
from hub.domain.people import Deed, Role
from hub.domain.sensing import ConflictRule, Device, DeviceState, Position
from hub.domain.sharing import Principal, Scope
from hub.domain.topics import readings_topic
from hub.errors import BadRequest, NotAuthenticated, NotFound, NotPermitted
from hub.fleet import managing
from hub.fleet.managing import Fresh, Minted
from hub.storage import devices
from hub.storage.devices import DeviceFiles

MOST_DEVICES = 10_000
AT_ONCE = 1_000  # registered by one request

router = APIRouter(prefix="/api/v1", tags=["devices"])

Line = Annotated[str, StringConstraints(min_length=1, max_length=200)]
DeviceId = Annotated[str, Path(max_length=100, description="id of a device of yours")]


class Beginning(StrEnum):
    """The states that a device may begin in."""

    PLANNED = "planned"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"


class Step(StrEnum):
    """What may be done to a device. The first three are about its passwords."""

    ROTATE = "rotate"
    RENEW = "renew"
    REVOKE = "revoke"
    ACTIVATE = "activate"
    MAINTAIN = "maintain"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    DECOMMISSION = "decommission"


class NewBody(Body):
    """A device of your organisation. `position` is [longitude, latitude]."""

    id: str
    observes: Annotated[list[str], Field(min_length=1, max_length=200)]
    kind: Line = "sensor"
    name: Line | None = None
    position: (
        tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
        | None
    ) = None
    moving: bool = False
    state: Beginning = Beginning.ACTIVE
    on_conflict: ConflictRule = ConflictRule.KEEP
    tags: Annotated[tuple[Line, ...], Field(max_length=50)] = ()

    def new(self, organisation: str) -> NewDevice:
        device = Device(
            self.id, organisation, self.kind, self.name or self.id,
            Position(*self.position) if self.position else None, self.moving,
            DeviceState(self.state),
        )  # fmt: skip
        return NewDevice(device, tuple(dict.fromkeys(self.observes)), self.on_conflict, self.tags)


class ManyBody(Body):
    devices: Annotated[list[NewBody], Field(min_length=1, max_length=AT_ONCE)]
    reason: str = Field("", max_length=2_000)


class StepBody(Body):
    """`overlap` comes with `rotate`; a quarantine needs a `reason`."""

    reason: str = Field("", max_length=2_000)
    decision: str = Field("", max_length=200)
    overlap: Duration = OVERLAP


@router.get("/devices", summary="Your organisation's devices")
async def list_devices(
    db: Connection,
    caller: Caller,
    *,
    state: Annotated[DeviceState | None, Query(description="only in this state")] = None,
    after: Annotated[str, Query(max_length=100, description="from `next` of the page before")] = "",
    limit: Annotated[str | None, Query(description="rows per page; default 1000")] = None,
) -> dict[str, Any]:
    """By id. Needs the scope devices:manage, or any role in your organisation."""
    _check_may_see(caller)
    size = parse_limit(limit, MOST_DEVICES)
    found = await devices.listed(db, caller.organisation, state=state, after=after, limit=size)
    return {
        "devices": [{**_told(file), "observes": observes} for file, observes in found],
        "next": found[-1][0].device.id if len(found) == size else None,
    }


@router.get("/devices/{device}", summary="One of them, with its passwords' ages")
async def get_device(device: DeviceId, db: Connection, caller: Caller) -> dict[str, Any]:
    _check_may_see(caller)
    found = await devices.file_of(db, device)
    if found is None or found.device.organisation != caller.organisation:
        raise NotFound(f"there is no device '{device[:64]}' of '{caller.organisation}'")
    return _told(found)


@router.post("/devices", summary="Register a device", status_code=HTTPStatus.CREATED)
async def register_device(
    request: Request,
    body: NewBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answers with its password at the broker, this once: the hub keeps a hash.

    Needs the scope devices:manage, or the role technician. A repeated request with the same
    Idempotency-Key is answered without the password.
    """
    _check_known(caller)
    deed = Deed(caller.actor, hub.now())

    async def work() -> dict[str, Any]:
        new = body.new(caller.organisation)
        [fresh] = await managing.provision(DeviceFiles(db), deed, [new], _mint(hub))
        return _secret(fresh)

    return await once(
        request, db, caller.actor.id, idempotency_key, work,
        status=HTTPStatus.CREATED, remembered=_without_password,
    )  # fmt: skip


@router.post(
    "/devices:provision", summary="Register up to 1,000 devices", status_code=HTTPStatus.CREATED
)
async def provision_devices(
    request: Request,
    body: ManyBody,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """All of them or none; answers with each one's password, this once."""
    _check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    ids = [one.id for one in body.devices]
    if len(set(ids)) != len(ids):
        raise BadRequest("an id is there twice")

    async def work() -> dict[str, Any]:
        new = [one.new(caller.organisation) for one in body.devices]
        fresh = await managing.provision(DeviceFiles(db), deed, new, _mint(hub))
        return {"devices": [_secret(one) for one in fresh]}

    return await once(
        request, db, caller.actor.id, idempotency_key, work,
        status=HTTPStatus.CREATED, remembered=_without_password,
    )  # fmt: skip


@router.post("/devices/{device}:{step}", summary="Change a device's passwords or state")
async def take_step(
    request: Request,
    device: DeviceId,
    step: Step,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    body: StepBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """`rotate` adds a password while the former stays valid for `overlap`; `renew` ends the former.

    `revoke` ends all, `quarantine` (with a `reason`) shuts it out until `release`; either ends its
    connection within seconds. An illegal step is 409 and changes nothing.
    """
    _check_known(caller)
    given = body or StepBody()
    deed = Deed(caller.actor, hub.now(), given.reason, given.decision)

    async def work() -> dict[str, Any]:
        files, mint = DeviceFiles(db), _mint(hub)
        match step:
            case Step.ROTATE:
                return _secret(await managing.rotate(files, deed, device, mint, given.overlap))
            case Step.RENEW:
                return _secret(await managing.renew(files, deed, device, mint))
            case Step.REVOKE:
                return _told(await managing.revoke(files, deed, device))
            case _:
                return _told(await managing.act(files, deed, device, DeviceAction(step)))

    return await once(
        request, db, caller.actor.id, idempotency_key, work, remembered=_without_password
    )


def _mint(hub: TheHub) -> managing.Mint:
    def mint() -> Minted:
        password = hub.new_password()
        return Minted(password, hub.hash_password(password))

    return mint


def _check_known(caller: Principal) -> None:
    if caller.is_anonymous:
        raise NotAuthenticated("send a key with the scope devices:manage, or one of a technician")


def _check_may_see(caller: Principal) -> None:
    _check_known(caller)
    if Scope.MANAGE not in caller.scopes and not caller.roles & frozenset(Role):
        raise NotPermitted("this needs the scope devices:manage, or a role in the organisation")


def _secret(fresh: Fresh) -> dict[str, Any]:
    return {
        "device": fresh.device,
        "user": fresh.user,
        "password": fresh.password,
        "topic": readings_topic(fresh.device),
        "other_ends_at": write_time(fresh.ends) if fresh.ends else None,
    }


def _without_password(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer as it may be kept: the hub does not know passwords."""
    if "devices" in answer:
        return {"devices": [_without_password(one) for one in answer["devices"]]}
    return answer | {"password": None} if "password" in answer else answer


def _told(file: DeviceFile) -> dict[str, Any]:
    device = file.device
    return {
        "id": device.id,
        "organisation": device.organisation,
        "kind": device.kind,
        "name": device.name,
        "position": list(device.position) if device.position else None,
        "moving": device.moving,
        "state": device.state,
        "reason": file.reason,
        "tags": list(file.tags),
        "changed_at": write_time(file.changed_at),
        "credentials": [
            {
                "created_at": write_time(one.created_at),
                "expires_at": write_time(one.expires_at) if one.expires_at else None,
            }
            for one in file.credentials
        ],
    }
