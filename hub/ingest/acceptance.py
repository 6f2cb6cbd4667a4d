"""May this value be stored, as what, and how far is it to be trusted?"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.domain.intake import MAGNITUDE, Decoded, Reason, Undecodable
from hub.domain.registry import DeviceRules, Registry, StreamRules
from hub.domain.sensing import Quality, Reading
from hub.domain.units import Misfit, conversion


@dataclass(frozen=True, slots=True)
class ClockRule:
    """Which phenomenon times are believed.

    `earliest`: nothing before it; a device that lost its clock starts at 1970, 1980 or 2000.
    `ahead_flagged`, `ahead_refused`: how far ahead of our clock a reading is flagged, refused.
    """

    earliest: datetime = datetime(2010, 1, 1, tzinfo=UTC)
    ahead_flagged: timedelta = timedelta(seconds=30)
    ahead_refused: timedelta = timedelta(minutes=5)


DEFAULT_CLOCK = ClockRule()


def accept(
    item: Decoded | Undecodable,
    registry: Registry,
    received_at: datetime,
    clock: ClockRule = DEFAULT_CLOCK,
) -> Reading | Undecodable:
    """Turn a decoded value into a reading of a datastream, or say why not."""
    if isinstance(item, Undecodable):
        return item
    device = registry.devices.get(item.device)
    if device is None:
        return Undecodable(Reason.UNKNOWN_DEVICE, f"no device '{item.device}' is registered")
    if not device.state.may_report:
        return Undecodable(Reason.DEVICE_NOT_REPORTING, f"'{item.device}' is {device.state}")
    stream = device.streams.get(item.property)
    if stream is None:
        return Undecodable(
            Reason.UNKNOWN_PROPERTY, f"'{item.device}' has no datastream '{item.property[:60]}'"
        )
    return _reading(item, device, stream, received_at, clock)


def _reading(
    item: Decoded,
    device: DeviceRules,
    stream: StreamRules,
    received_at: datetime,
    clock: ClockRule,
) -> Reading | Undecodable:
    time = item.time
    if not isinstance(time, datetime):
        time = received_at if time is None else received_at + time
    if time < clock.earliest:
        return Undecodable(
            Reason.TIME_TOO_OLD, f"{time.isoformat()} is before {clock.earliest.isoformat()}"
        )
    ahead = time - received_at
    if ahead > clock.ahead_refused:
        return Undecodable(Reason.TIME_IN_FUTURE, f"{time.isoformat()} is {ahead} ahead of the hub")
    quality = Quality.CLOCK_AHEAD if ahead > clock.ahead_flagged else Quality.GOOD
    lon, lat = item.position if device.moving and item.position else (None, None)
    value = item.value
    if isinstance(value, str) is stream.numeric:
        told = "a number, not a text" if stream.numeric else "a text, not a number"
        return Undecodable(Reason.WRONG_TYPE, f"'{item.property}' is {told}")
    if isinstance(value, str):
        return Reading(stream.id, time, None, value, quality, received_at, lon, lat)
    if item.unit is not None and item.unit != stream.unit:
        converted = _converted(value, item.unit, stream.unit, item.property)
        if isinstance(converted, Undecodable):
            return converted
        value = converted
    if (stream.low is not None and value < stream.low) or (
        stream.high is not None and value > stream.high
    ):
        quality |= Quality.IMPLAUSIBLE
    return Reading(stream.id, time, value, None, quality, received_at, lon, lat)


def _converted(value: float, sent: str, wanted: str, property_: str) -> float | Undecodable:
    found = conversion(sent, wanted)
    if found is Misfit.DIMENSION:
        return Undecodable(
            Reason.WRONG_DIMENSION,
            f"'{property_}' is measured in '{wanted}', which '{sent[:60]}' cannot become",
        )
    if isinstance(found, Misfit):
        unknown = sent if found is Misfit.UNKNOWN_SENT else wanted
        return Undecodable(
            Reason.UNKNOWN_UNIT, f"'{unknown[:60]}', unit of '{property_}', is no UCUM unit we know"
        )
    converted = found(value)
    if not abs(converted) <= MAGNITUDE:
        told = f"'{property_}' is beyond {MAGNITUDE:g} in '{wanted}'"
        return Undecodable(Reason.BAD_VALUE, told)
    return converted
