"""How a device comes into the hub, changes its credentials, and goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.sensing import ConflictRule, Device, DeviceState

OVERLAP = timedelta(days=1)  # for which two passwords are valid while one replaces the other
LONGEST_OVERLAP = timedelta(days=90)
SECOND = "@2"  # ends the user name of a device's second credential; no device id holds an @

PLANNED, ACTIVE, MAINTENANCE, QUARANTINED, DECOMMISSIONED = DeviceState


class DeviceAction(StrEnum):
    ACTIVATE = "activate"
    MAINTAIN = "maintain"
    QUARANTINE = "quarantine"
    RELEASE = "release"
    DECOMMISSION = "decommission"


TRANSITIONS: Mapping[tuple[DeviceState, DeviceAction], DeviceState] = {
    (PLANNED, DeviceAction.ACTIVATE): ACTIVE,
    (PLANNED, DeviceAction.QUARANTINE): QUARANTINED,
    (PLANNED, DeviceAction.DECOMMISSION): DECOMMISSIONED,
    (ACTIVE, DeviceAction.MAINTAIN): MAINTENANCE,
    (ACTIVE, DeviceAction.QUARANTINE): QUARANTINED,
    (ACTIVE, DeviceAction.DECOMMISSION): DECOMMISSIONED,
    (MAINTENANCE, DeviceAction.ACTIVATE): ACTIVE,
    (MAINTENANCE, DeviceAction.QUARANTINE): QUARANTINED,
    (MAINTENANCE, DeviceAction.DECOMMISSION): DECOMMISSIONED,
    (QUARANTINED, DeviceAction.RELEASE): ACTIVE,
    (QUARANTINED, DeviceAction.DECOMMISSION): DECOMMISSIONED,
}
_LEADS_TO = {
    DeviceAction.ACTIVATE: ACTIVE,
    DeviceAction.MAINTAIN: MAINTENANCE,
    DeviceAction.QUARANTINE: QUARANTINED,
    DeviceAction.DECOMMISSION: DECOMMISSIONED,
}
_PAST = {
    DeviceAction.ACTIVATE: "activated",
    DeviceAction.MAINTAIN: "put into maintenance",
    DeviceAction.QUARANTINE: "quarantined",
    DeviceAction.RELEASE: "released",
    DeviceAction.DECOMMISSION: "decommissioned",
}


class IllegalStep(Exception):  # noqa: N818  a condition, told to whoever tried
    """The device's state does not allow this; nothing was changed."""


def step(state: DeviceState, action: DeviceAction) -> DeviceState:
    """Return the state that an action leads to; raise IllegalStep saying what is allowed.

    Repeating an action changes nothing.
    """
    to = TRANSITIONS.get((state, action))
    if to is not None:
        return to
    if _LEADS_TO.get(action) is state:
        return state
    possible = ", ".join(sorted(a for at, a in TRANSITIONS if at is state))
    instead = f"possible are {possible}" if possible else "it is out of use for good"
    raise IllegalStep(f"a device that is {state} cannot be {_PAST[action]}: {instead}")


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to be registered, with the observed properties that it reports."""

    device: Device
    observes: tuple[str, ...]
    on_conflict: ConflictRule = ConflictRule.KEEP
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """A password of a device, as its hash. `expires_at`: until when, None for good."""

    device: str
    slot: int
    hash: str
    created_at: datetime
    expires_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """A device with what is on file about it; `reason` says why it is quarantined."""

    device: Device
    reason: str
    tags: tuple[str, ...]
    credentials: tuple[Credential, ...]
    changed_at: datetime


def user_name(device: str, slot: int) -> str:
    """Return the user name that belongs to a credential: Mosquitto has one password for each."""
    return device if slot == 1 else f"{device}{SECOND}"


def device_of_user(user: str) -> str:
    """Return the device that signs in under a user name."""
    return user.removesuffix(SECOND)
