"""What does a device measure at a moment, and where is it, the same whenever it is asked?"""

import math
from collections.abc import Callable
from datetime import datetime
from functools import cache

from simulators.city import PROPERTIES, Device, at, chance

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
YEAR_DAYS = 365.25

_RANGES = {p.id: (p.low, p.high) for p in PROPERTIES}


def value(device: Device, property_id: str, time: datetime) -> float | str:
    """Return the result of one observed property at a time, within its plausible range.

    `time` must be aware. Devices of a city share weather and rush hours, so they correlate.
    """
    found = _PATTERNS[property_id](device, time)
    if isinstance(found, str):
        return found
    low, high = _RANGES[property_id]
    found = max(found, -math.inf if low is None else low)
    return round(min(found, math.inf if high is None else high), 2) + 0.0  # never -0.0


def position(device: Device, time: datetime) -> tuple[float, float]:
    """Return (lon, lat): where a device stands, or where the bus is on its round."""
    return _on_route(time) if device.moving else (device.lon, device.lat)


def _seconds(time: datetime) -> float:
    return time.timestamp()


def _hour(time: datetime) -> float:
    """Return the hour of the day in winter time: people here ignore summer time."""
    return _local(time) / HOUR_S % 24


def _local(time: datetime) -> float:
    """Return seconds since 1970 by the city's clock, which is an hour ahead of Greenwich."""
    return _seconds(time) + HOUR_S


def _season(time: datetime) -> float:
    """Return -1 in the middle of January and +1 in the middle of July."""
    return -math.cos(math.tau * (_seconds(time) / DAY_S - 15) / YEAR_DAYS)


def smooth(key: object, seconds: float, period_s: float) -> float:
    """Return noise in [-1, 1] that changes over `period_s`, interpolated between fixed points."""
    step, part = divmod(seconds / period_s, 1.0)
    before, after = _point(key, int(step)), _point(key, int(step) + 1)
    eased = part * part * (3 - 2 * part)
    return before + (after - before) * eased


@cache
def _salt(key: object) -> int:
    return int(chance(key) * 2**32)


def _point(key: object, step: int) -> float:
    """Return a fixed number in [-1, 1] for a step; an integer hash, since it is asked often."""
    mixed = (step * 0x9E3779B97F4A7C15 + _salt(key) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 31)) / 2**63 - 1


def _own(device: Device, what: str, time: datetime, period_s: float = 300) -> float:
    return smooth((device.id, what), _seconds(time), period_s)


def _weather(what: str, time: datetime, period_s: float) -> float:
    return smooth(("city", what), _seconds(time), period_s)


def rush(time: datetime) -> float:
    """Return how full the streets are, 0 at night to about 1 in a weekday's rush hour."""
    hour = _hour(time)
    weekday = (int(_local(time) // DAY_S) + 3) % 7 < 5  # noqa: PLR2004  1970-01-01 was a Thursday
    morning = math.exp(-(((hour - 8) / 1.5) ** 2))
    evening = math.exp(-(((hour - 16.7) / 1.9) ** 2))
    by_day = 0.45 * math.exp(-(((hour - 13) / 4.5) ** 2))
    return 0.04 + by_day + (0.65 if weekday else 0.1) * (morning + evening)


def rain(time: datetime) -> float:
    """Return rain in mm/h: none most of the time."""
    return max(0.0, _weather("rain", time, 5 * HOUR_S) - 0.35) * 8


def _temperature(device: Device, time: datetime) -> float:
    daily = math.sin(math.tau * (_hour(time) - 9) / 24)
    return (
        7 + 11 * _season(time) + (3 + _season(time)) * daily
        + 4 * _weather("warmth", time, 30 * HOUR_S) + 0.6 * _own(device, "temperature", time)
    )  # fmt: skip


def _wind(device: Device, time: datetime) -> float:
    return max(0.0, 4 + 3.5 * _weather("wind", time, 7 * HOUR_S) + _own(device, "wind", time, 60))


def _humidity(device: Device, time: datetime) -> float:
    wet = min(1.0, rain(time))
    dry_by_day = 12 * math.sin(math.tau * (_hour(time) - 9) / 24)
    return 74 + 18 * wet - dry_by_day + 4 * _own(device, "humidity", time)


def _busy(device: Device, time: datetime) -> float:
    """Return how busy a device's street is: some are four times as busy as others."""
    return rush(time) * (0.4 + 1.2 * chance(device.id, "busy"))


def _no2(device: Device, time: datetime) -> float:
    blown_away = 1.3 - 0.09 * min(10.0, _wind(device, time))
    return (6 + 46 * _busy(device, time)) * blown_away + 2 * _own(device, "no2", time)


def _pm10(device: Device, time: datetime) -> float:
    washed = 1 - 0.6 * min(1.0, rain(time))
    return (9 + 22 * _busy(device, time)) * washed + 2 * _own(device, "pm10", time)


def _pm2_5(device: Device, time: datetime) -> float:
    return 0.45 * _pm10(device, time) + 1 + 0.5 * _own(device, "pm2_5", time)


def _laeq(device: Device, time: datetime) -> float:
    return (
        47 + 9 * math.log10(1 + 20 * _busy(device, time)) + 2 * min(1.0, rain(time))
        + 3 * _own(device, "laeq", time, 20)
    )  # fmt: skip


def _vehicle_count(device: Device, time: datetime) -> float:
    return float(
        round(max(0.0, 34 * _busy(device, time) * (1 + 0.3 * _own(device, "n", time, 45))))
    )


def _vehicle_speed(device: Device, time: datetime) -> float:
    if device.moving:
        return 22 + 14 * _own(device, "speed", time, 20)
    limit = (40, 50, 60)[int(chance(device.id, "limit") * 3)]
    return limit * (1.02 - 0.35 * min(1.0, _busy(device, time))) + 3 * _own(device, "v", time, 30)


def _free_spaces(device: Device, time: datetime) -> float:
    spaces = 40 + int(chance(device.id, "spaces") * 360)
    taken = 0.25 + 0.6 * math.exp(-(((_hour(time) - 12.5) / 4) ** 2))
    taken += 0.12 * _own(device, "taken", time, HOUR_S)
    return float(round(spaces * (1 - min(1.0, max(0.0, taken)))))


def _parking_status(device: Device, time: datetime) -> str:
    if not 5 <= _hour(time) < 23.5 and chance(device.id, "night") < 0.3:  # noqa: PLR2004  hours
        return "closed"
    return "full" if _free_spaces(device, time) < 3 else "open"  # noqa: PLR2004  spaces


def _water_level(device: Device, time: datetime) -> float:
    base = 0.4 + 1.2 * chance(device.id, "base")
    swell = 0.25 * _weather("level", time, 9 * HOUR_S)
    return base + swell + 0.05 * rain(time) + 0.02 * _own(device, "level", time)


def _water_temperature(device: Device, time: datetime) -> float:
    late = _season(time) * 8.5 + 9
    return late + _weather("warmth", time, 30 * HOUR_S) + 0.2 * _own(device, "wt", time)


_PATTERNS: dict[str, Callable[[Device, datetime], float | str]] = {
    "no2": _no2,
    "pm10": _pm10,
    "pm2_5": _pm2_5,
    "temperature": _temperature,
    "laeq": _laeq,
    "vehicle_count": _vehicle_count,
    "vehicle_speed": _vehicle_speed,
    "free_spaces": _free_spaces,
    "parking_status": _parking_status,
    "water_level": _water_level,
    "water_temperature": _water_temperature,
    "humidity": _humidity,
    "wind_speed": _wind,
    "precipitation": lambda _, time: rain(time),
}

# The bus's round, in metres east and north of the centre: seven kilometres in twenty minutes.
_ROUTE = ((0, 0), (900, 300), (1900, -100), (2900, -700), (2600, -1400), (1300, -1000), (200, -600))
_LEGS = [math.dist(a, b) for a, b in zip(_ROUTE, (*_ROUTE[1:], _ROUTE[0]), strict=True)]
_BUS_SPEED_M_S = 22 / 3.6


def _on_route(time: datetime) -> tuple[float, float]:
    gone = _seconds(time) * _BUS_SPEED_M_S % sum(_LEGS)
    for number, leg in enumerate(_LEGS):
        if gone < leg:
            (east, north), (to_east, to_north) = _ROUTE[number], _ROUTE[(number + 1) % len(_ROUTE)]
            part = gone / leg
            return at(east + (to_east - east) * part, north + (to_north - north) * part)
        gone -= leg
    return at(*_ROUTE[0])
