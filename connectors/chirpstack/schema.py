"""What of ChirpStack's schema do we read? With google.protobuf's Timestamp, Struct and Value.

https://github.com/chirpstack/chirpstack/blob/master/api/proto/integration/integration.proto
"""

from collections.abc import Sized
from typing import Any

from connectors.protobuf import messages
from connectors.untrusted import Fault, few
from hub.domain.intake import Limits, Reason

UplinkEvent = messages(
    "chirpstack",
    {
        "UplinkEvent": {
            2: "Timestamp time",
            3: "DeviceInfo device_info",
            8: "uint32 f_port",
            10: "bytes data",
            11: "Struct object",
        },
        "DeviceInfo": {8: "string dev_eui", 9: "repeated Tag tags"},
        "Tag": {1: "string key", 2: "string value"},
        "Timestamp": {1: "int64 seconds", 2: "int32 nanos"},
        "Struct": {1: "repeated Member fields"},
        "Member": {1: "string key", 2: "Value value"},
        "Value": {
            2: "double number",
            3: "string text",
            4: "bool flag",
            5: "Struct struct",
            6: "List list",
        },
        "List": {1: "repeated Value values"},
    },
)["UplinkEvent"]


def plain(struct: Any, limits: Limits) -> dict[str, object]:  # noqa: ANN401
    """Return a Struct as what JSON would have made of it."""
    return _Reader(limits).members(struct, limits.depth)


class _Reader:
    """Reads a Struct of at most so many values and levels: two bytes are enough for a value."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._seen = 0

    def members(self, struct: Any, levels: int) -> dict[str, object]:  # noqa: ANN401
        self._count(struct.fields, levels)
        return {member.key: self._value(member.value, levels - 1) for member in struct.fields}

    def _value(self, value: Any, levels: int) -> object:  # noqa: ANN401
        if value.HasField("struct"):
            return self.members(value.struct, levels)
        if value.HasField("list"):
            self._count(value.list.values, levels)
            return [self._value(one, levels - 1) for one in value.list.values]
        for kind in ("number", "text", "flag"):
            if value.HasField(kind):
                found: object = getattr(value, kind)
                return found
        return None

    def _count(self, members: Sized, levels: int) -> None:
        if levels <= 0:
            raise Fault(Reason.TOO_DEEP, f"nested deeper than {self._limits.depth} levels")
        self._seen += len(members)
        few(self._seen, self._limits)
