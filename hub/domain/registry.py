"""What must ingest know to accept a reading? The registry, held in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.domain.sensing import DeviceState


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What acceptance checks for one datastream; `low` and `high` in the property's unit."""

    id: int
    numeric: bool = True
    low: float | None = None
    high: float | None = None
    unit: str = "1"  # the observed property's, in UCUM


@dataclass(frozen=True, slots=True)
class DeviceRules:
    state: DeviceState
    moving: bool
    streams: dict[str, StreamRules]  # by observed property
    receipts: bool = False  # it is told what became of each message
    organisation: str = ""  # whose it is


@dataclass(frozen=True, slots=True)
class ConnectorRule:
    """What happens to devices that nobody registered: rejected, or taken in by an organisation."""

    register_under: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    devices: Mapping[str, DeviceRules]
    rule: ConnectorRule = field(default_factory=ConnectorRule)
