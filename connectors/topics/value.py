"""What does a bare value say, on a topic that ends in device and property?"""

import re

from connectors.naming import device_id, property_id
from connectors.untrusted import Fault, Items, bounded, or_reason, result, text_of
from hub.domain.intake import Decoded, Limits, Reason

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_FLAGS = {"true": 1.0, "false": 0.0}


@or_reason
def decode(topic: str, payload: bytes, limits: Limits) -> Items:
    """Decode `21.5` on `…/{device}/{property}`."""
    levels = topic.split("/")
    if len(levels) < 2:  # noqa: PLR2004
        raise Fault(Reason.BAD_TOPIC, f"{topic[:60]!r} does not end in device and property")
    return one(device_id(levels[-2]), property_id(levels[-1]), payload, None, limits)


def one(device: str, property_: str, payload: bytes, unit: str | None, limits: Limits) -> Items:
    """Decode a bare value of one property; raise Fault where it is none."""
    value = result(property_, bare(payload, limits), limits)
    return [Decoded(device, property_, None, value, None, unit if value_is_number(value) else None)]


def bare(payload: bytes, limits: Limits) -> float | str:
    """Read a value that stands alone: a number, true or false, or a text with or without quotes."""
    bounded(payload, limits)
    text = text_of(payload).strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    return _FLAGS.get(text, text.removeprefix('"').removesuffix('"'))


def value_is_number(value: float | str) -> bool:
    return isinstance(value, float)
