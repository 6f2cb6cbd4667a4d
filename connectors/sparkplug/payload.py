"""What does a payload of Sparkplug B hold? Pure: what a metric's alias means is not known here.

https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf
(chapter 6), and the schema in https://github.com/eclipse-tahu/tahu/tree/master/sparkplug_b
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.protobuf import messages, parsed
from connectors.untrusted import Fault, few, named, since_epoch
from hub.domain.intake import Limits, Reason

SEQUENCE = 256  # a number is 0 to 255, then 0 again
_MILLISECOND = 1e-3

_SCHEMA = messages(
    "sparkplug",
    {
        "Payload": {1: "uint64 timestamp", 2: "repeated Metric metrics", 3: "uint64 seq"},
        "Metric": {
            1: "string name",
            2: "uint64 alias",
            3: "uint64 timestamp",
            4: "uint32 datatype",
            7: "bool is_null",
            10: "uint32 int_value",
            11: "uint64 long_value",
            12: "float float_value",
            13: "double double_value",
            14: "bool boolean_value",
            15: "string string_value",
        },
    },
)
_VALUES = (
    "double_value", "float_value", "int_value", "long_value", "boolean_value", "string_value",
)  # fmt: skip
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # data types Int8 to Int64, in bits
_DATE_TIME = 13


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` in births and where there are no aliases, `alias` in data."""

    name: str
    alias: int | None
    milliseconds: int | None  # since 1970
    datatype: int
    raw: float | str | None  # None: is_null, or of a type that cannot be stored
    is_null: bool

    @property
    def time(self) -> datetime | None:
        if self.milliseconds is None:
            return None
        return since_epoch(self.milliseconds, _MILLISECOND, "'timestamp'")

    def value(self, name: str, datatype: int) -> float | str:
        """Return the value by its name and data type, which the birth alone may have told."""
        if self.raw is None:
            raise Fault(Reason.WRONG_TYPE, f"{named(name)} has no value that can be stored")
        if isinstance(self.raw, int) and datatype in _SIGNED:
            half = 1 << (_SIGNED[datatype] - 1)
            return float(((self.raw & (2 * half - 1)) ^ half) - half)
        if isinstance(self.raw, int) and datatype == _DATE_TIME:
            return since_epoch(self.raw, _MILLISECOND, named(name)).isoformat()
        return self.raw


@dataclass(frozen=True, slots=True)
class Payload:
    """What one message says; `timestamp`, in milliseconds since 1970, and `seq` if it has them."""

    timestamp: int | None
    seq: int | None
    metrics: list[Metric]


def read(payload: bytes, limits: Limits) -> Payload:
    """Read a payload; raise Fault where the bytes are none."""
    told = parsed(_SCHEMA["Payload"], payload, limits)
    few(len(told.metrics), limits)
    timestamp = told.timestamp if told.HasField("timestamp") else None
    seq = told.seq % SEQUENCE if told.HasField("seq") else None
    return Payload(timestamp, seq, [_metric(metric, timestamp) for metric in told.metrics])


def _metric(told: Any, sent: int | None) -> Metric:  # noqa: ANN401
    raw = next((getattr(told, kind) for kind in _VALUES if told.HasField(kind)), None)
    return Metric(
        told.name,
        told.alias if told.HasField("alias") else None,
        told.timestamp if told.HasField("timestamp") else sent,
        told.datatype,
        float(raw) if isinstance(raw, bool) else raw,
        told.is_null,
    )


def rebirth(milliseconds: int) -> bytes:
    """Return the command by which a node is asked to say again what its aliases mean."""
    message = _SCHEMA["Payload"]()
    message.timestamp = milliseconds
    metric = message.metrics.add()
    metric.name = "Node Control/Rebirth"
    metric.timestamp = milliseconds
    metric.datatype = 11  # Boolean
    metric.boolean_value = True
    encoded: bytes = message.SerializeToString()
    return encoded
