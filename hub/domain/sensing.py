"""What is sensed, by what, and where: the words of OGC SensorThings."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag, StrEnum
from typing import NamedTuple


class Position(NamedTuple):
    """A point in WGS 84, in degrees; longitude first, as in GeoJSON (RFC 7946)."""

    lon: float
    lat: float


class ResultKind(StrEnum):
    NUMBER = "number"
    TEXT = "text"


class ConflictRule(StrEnum):
    """What happens when a different value arrives under a stored (datastream, time)."""

    KEEP = "keep"
    OVERWRITE = "overwrite"


class DeviceState(StrEnum):
    PLANNED = "planned"
    ACTIVE = "active"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"
    DECOMMISSIONED = "decommissioned"

    @property
    def may_report(self) -> bool:
        return self in _REPORTING


_REPORTING = frozenset({DeviceState.PLANNED, DeviceState.ACTIVE, DeviceState.MAINTENANCE})


class Quality(IntFlag):
    """Why a stored reading should be looked at twice; 0 is a good reading."""

    GOOD = 0
    IMPLAUSIBLE = 1  # outside the observed property's plausible range
    CLOCK_AHEAD = 2  # the device's clock was ahead of the hub's, within what is tolerated


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    """What is measured.

    `unit` is a UCUM code; `low` and `high` bound the plausible range in that unit.
    """

    id: str
    name: str
    unit: str
    definition: str | None = None
    kind: ResultKind = ResultKind.NUMBER
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    id: str
    organisation: str
    kind: str
    name: str
    position: Position | None = None
    moving: bool = False
    state: DeviceState = DeviceState.ACTIVE


@dataclass(frozen=True, slots=True)
class Datastream:
    """One device × one observed property, as the way out needs to know it."""

    id: int
    device: str
    device_name: str
    kind: str
    property: str
    unit: str
    position: Position | None
    moving: bool


class Reading(NamedTuple):
    """One value of one datastream at one instant, in the order of the store's columns.

    A NamedTuple and not a dataclass: one is made for every value that arrives, and the driver's
    COPY takes tuples.
    """

    datastream_id: int
    time: datetime
    value: float | None
    text: str | None
    quality: int
    received_at: datetime
    lon: float | None
    lat: float | None
