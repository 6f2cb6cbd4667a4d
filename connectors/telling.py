"""How do named values become readings? What formats with objects of values share."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from connectors.naming import property_id
from connectors.untrusted import Fault, result_or_flag
from hub.domain.intake import Decoded, Limits, Undecodable
from hub.domain.sensing import Position


def readings(
    device: str,
    time: datetime | timedelta | None,
    values: Iterable[tuple[str, object, str | None]],
    limits: Limits,
    position: Position | None = None,
) -> Iterator[Decoded | Undecodable]:
    """Yield a reading of each (name, value, unit); what is null was not measured yet."""
    for name, value, unit in values:
        if value is None:
            continue
        try:
            property_ = property_id(name)
            told = result_or_flag(property_, value, limits)
            yield Decoded(
                device, property_, time, told, position, None if _is_flag(value) else unit
            )
        except Fault as fault:
            yield fault.undecodable


def _is_flag(value: object) -> bool:
    return isinstance(value, (bool, str))


def by_last_name(
    ends: Iterable[tuple[str, object]], units: Mapping[str, str]
) -> Iterator[tuple[str, object, str | None]]:
    """Yield (name, value, unit) of an object's ends; the last part of a name tells the unit."""
    for name, value in ends:
        yield name, value, units.get(name.rpartition(".")[2])
