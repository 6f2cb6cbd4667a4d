"""Where on the page does a device stand? Degrees to the units of a drawing, with a scale bar."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.sensing import Position

WIDTH, HEIGHT = 600.0, 380.0
MARGIN = 34.0
METRES_PER_DEGREE = 111_320.0  # of latitude, and of longitude at the equator
LEAST_M = 400.0  # a lone device is not magnified beyond this many metres across
ROAMING_M = 6_000.0  # room for what moves, which the map does not follow
BAR_UNITS = 120.0  # the scale bar is at most so long
LEVELS = 7


@dataclass(frozen=True, slots=True)
class Projection:
    """Equirectangular about `centre`: true to scale over a city. `x_scale` is units per degree."""

    centre: Position
    x_scale: float
    y_scale: float

    def place(self, position: Position) -> tuple[float, float]:
        """Return (x, y) in the drawing; what lies outside stands at its edge."""
        x = WIDTH / 2 + (position.lon - self.centre.lon) * self.x_scale
        y = HEIGHT / 2 - (position.lat - self.centre.lat) * self.y_scale
        return round(min(max(x, 0), WIDTH), 1), round(min(max(y, 0), HEIGHT), 1)


@dataclass(frozen=True, slots=True)
class Scale:
    """The scale bar, and the lines of a grid whose squares are as wide as it is long."""

    length: float
    label: str
    columns: Sequence[float]
    rows: Sequence[float]


def fit(positions: Sequence[Position], *, moving: bool) -> Projection:
    """Return the projection that shows all these positions; there must be one at least."""
    least = ROAMING_M if moving else LEAST_M
    west, east = min(p.lon for p in positions), max(p.lon for p in positions)
    south, north = min(p.lat for p in positions), max(p.lat for p in positions)
    centre = Position((west + east) / 2, (south + north) / 2)
    shrink = max(math.cos(math.radians(centre.lat)), 0.01)  # degrees of longitude narrow poleward
    across = max((east - west) * METRES_PER_DEGREE * shrink, least)
    along = max((north - south) * METRES_PER_DEGREE, least)
    units_per_m = min((WIDTH - 2 * MARGIN) / across, (HEIGHT - 2 * MARGIN) / along)
    y_scale = units_per_m * METRES_PER_DEGREE
    return Projection(centre, y_scale * shrink, y_scale)


def scale(projection: Projection) -> Scale:
    """Return a bar of a round number of metres, and the grid that goes with it."""
    units_per_m = projection.y_scale / METRES_PER_DEGREE
    metres = _round_down(BAR_UNITS / units_per_m)
    length = metres * units_per_m
    return Scale(round(length, 1), _metres(metres), _lines(WIDTH, length), _lines(HEIGHT, length))


def _round_down(metres: float) -> float:
    """Return the largest of 1, 2, 5, 10, 20, 50 … below."""
    power = 10.0 ** math.floor(math.log10(metres))
    return next(step * power for step in (5, 2, 1) if step * power <= metres)


def _metres(metres: float) -> str:
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"  # noqa: PLR2004


def _lines(extent: float, step: float) -> list[float]:
    first = extent / 2 % step
    return [round(first + n * step, 1) for n in range(math.ceil((extent - first) / step))]


def level(value: float | None, low: float, high: float) -> int | None:
    """Return the step of the colour ramp, 0 to 6, for a value between low and high."""
    if value is None:
        return None
    if high <= low:
        return LEVELS // 2
    return min(max(int((value - low) / (high - low) * LEVELS), 0), LEVELS - 1)
