"""How is it said to people? Units, numbers, ages, and what an agreement lets through."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from hub.domain.sensing import Quality
from hub.domain.sharing import Grant, Shape

NO_VALUE = "–"

# UCUM codes whose spelling differs from what is written on paper.
_UNITS = {
    "1": "",
    "Cel": "°C",
    "[degF]": "°F",
    "deg": "°",
    "dB[SPL]": "dB",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "[pH]": "pH",
    "Ohm": "Ω",
    "kW.h": "kWh",
    "W.h": "Wh",
}
_MICRO = re.compile(r"(?<![A-Za-z])u(?=[A-Za-z])")
_EXPONENT = re.compile(r"(?<=[A-Za-z])(-?\d)(?!\d)")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

FLAGS = {
    Quality.IMPLAUSIBLE: "outside the plausible range",
    Quality.CLOCK_AHEAD: "the device’s clock was ahead",
}

# About how far apart two neighbouring roundings lie on the ground, north to south.
_PRECISION = ("100 km", "10 km", "1 km", "100 m", "10 m", "1 m", "10 cm", "1 cm")

RAW_DECIMALS = 3  # a device's own digits are shown, as far as they can mean something
MEAN_DIGITS = 3  # an average has as many digits as the division leaves over


def unit(ucum: str) -> str:
    """Write a UCUM code as people do: `ug/m3` is µg/m³, `Cel` is °C, `/min` is per min."""
    if ucum in _UNITS:
        return _UNITS[ucum]
    text = _ANNOTATION.sub(r"\1", ucum)
    text = _MICRO.sub("µ", text)
    text = _EXPONENT.sub(lambda match: match[1].translate(_SUPERSCRIPT), text).replace(".", "·")
    return f"per {text[1:]}" if text.startswith("/") else text


def decimals(values: Sequence[float], *, averaged: bool) -> int:
    """Return how many decimals show these values fully, or usefully if they are averages."""
    most = RAW_DECIMALS
    if averaged:
        largest = max((abs(value) for value in values), default=0)
        most = max(0, MEAN_DIGITS - 1 - (math.floor(math.log10(largest)) if largest >= 1 else 0))
    return max((_needed(value, most) for value in values), default=0)


def _needed(value: float, most: int) -> int:
    return len(f"{value:.{most}f}".rstrip("0").partition(".")[2])


def number(value: float, places: int) -> str:
    """Write a number with a real minus sign; never a minus zero."""
    text = f"{value:.{places}f}"
    if not text.strip("-0."):
        text = text.lstrip("-")
    return text.replace("-", "−")  # noqa: RUF001  meant


def age(since: timedelta) -> str:
    """Write how long ago in one unit; the page's script counts on in the same words."""
    seconds = int(since.total_seconds())
    if seconds < 1:
        return "now"
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def flags(quality: int) -> str:
    """Say why a reading should be looked at twice; nothing for a good one."""
    return "; ".join(words for flag, words in FLAGS.items() if quality & flag)


def duration(length: timedelta) -> str:
    """Write a duration in the largest unit that expresses it: `15 minutes`, `1 hour`."""
    count, name = _largest_unit(length)
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _largest_unit(length: timedelta) -> tuple[int, str]:
    seconds = int(length.total_seconds())
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return seconds // size, name
    return seconds, "second"


def averages(width: timedelta) -> str:
    """Name averages by the time they span: `15-minute averages`."""
    count, name = _largest_unit(width)
    return f"{count}-{name} averages"


def basis(grant: Grant, *, anonymous: bool) -> str:
    """Say on what the right rests."""
    if anonymous:
        return "Open to everyone"
    if grant.agreement is None:
        return "Your organisation’s own feed"
    return f"Agreement {grant.agreement}"


def terms(grant: Grant, names: Mapping[str, str]) -> list[str]:
    """Say in plain words what a right lets through; `names` are those of the properties."""
    shape = grant.shape
    said = [
        "every reading" if shape.finest_resolution is None else averages(shape.finest_resolution)
    ]
    if shape.properties is not None:
        said.append(
            "of " + (listed(sorted(names.get(p, p) for p in shape.properties)) or "nothing")
        )
    said.append(f"{duration(shape.delay)} after the fact" if shape.delay else "without delay")
    said.append(_positions(shape))
    said.append("full history" if shape.history is None else f"{duration(shape.history)} back")
    if grant.ends_at is not None:
        said.append(f"until {day(grant.ends_at)}")
    return said


def _positions(shape: Shape) -> str:
    if shape.position_decimals is None:
        return "exact positions"
    return f"positions rounded to about {_PRECISION[min(shape.position_decimals, 7)]}"


def sentence(parts: Sequence[str]) -> str:
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def listed(words: Sequence[str]) -> str:
    """Join words as in a sentence: `a, b and c`."""
    if len(words) < 2:  # noqa: PLR2004
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def day(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def clock(time: datetime) -> str:
    return f"{time:%H:%M:%S} UTC"
