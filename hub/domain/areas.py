"""Is this place within that piece of the city? Polygons without holes, in degrees."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from hub.domain.sensing import Position

MOST_CORNERS = 500
FEWEST_CORNERS = 3


class Bbox(NamedTuple):
    """A box in degrees, as in GeoJSON: west, south, east, north."""

    west: float
    south: float
    east: float
    north: float

    def holds(self, position: Position) -> bool:
        return self.west <= position.lon <= self.east and self.south <= position.lat <= self.north


@dataclass(frozen=True, slots=True)
class Area:
    """What lies within one ring of corners; the last is joined with the first."""

    corners: tuple[Position, ...]

    def holds(self, position: Position) -> bool:
        """Tell whether a position lies inside: a ray to the east leaves it an odd number of times.

        What lies on the very border may be told to be on either side.
        """
        inside = False
        for a, b in self._edges():
            if (a.lat > position.lat) != (b.lat > position.lat):
                crossing = a.lon + (position.lat - a.lat) / (b.lat - a.lat) * (b.lon - a.lon)
                inside ^= position.lon < crossing
        return inside

    def _edges(self) -> Iterator[tuple[Position, Position]]:
        return pairwise((*self.corners, self.corners[0]))


def parse_area(geometry: object) -> Area:
    """Read a GeoJSON Polygon (RFC 7946) without holes; raise ValueError saying what is wrong."""
    match geometry:
        case {"type": "Polygon", "coordinates": [[*ring]]}:
            corners = [_position(number, point) for number, point in enumerate(ring)]
        case {"type": "Polygon", "coordinates": [_, _, *_]}:
            raise ValueError("an area has no holes: give one ring")
        case _:
            raise ValueError("an area is a GeoJSON Polygon, such as QGIS exports")
    if not corners or corners[0] != corners[-1]:
        raise ValueError("the ring of an area ends where it begins")
    area = Area(tuple(corners[:-1]))
    if not FEWEST_CORNERS <= len(area.corners) <= MOST_CORNERS:
        raise ValueError(f"an area has {FEWEST_CORNERS} to {MOST_CORNERS} corners")
    if _crosses_itself(list(area.corners)):
        raise ValueError("the border of an area must not cross itself")
    return area


def geojson(area: Area) -> Mapping[str, Any]:
    """Write an area as a GeoJSON Polygon."""
    ring = [list(corner) for corner in (*area.corners, area.corners[0])]
    return {"type": "Polygon", "coordinates": [ring]}


def _position(number: int, point: object) -> Position:
    match point:
        case [int() | float() as lon, int() | float() as lat] if not isinstance(lon, bool):
            if -180 <= lon <= 180 and -90 <= lat <= 90:  # noqa: PLR2004  degrees
                return Position(float(lon), float(lat))
    raise ValueError(f"corner {number} of the area is not [longitude, latitude] in degrees")


def _crosses_itself(corners: Sequence[Position]) -> bool:
    edges = list(pairwise((*corners, corners[0])))
    last = len(edges) - 1
    return any(
        _cross(*edges[i], *edges[j])
        for i in range(len(edges))
        for j in range(i + 2, len(edges))
        if (i, j) != (0, last)  # neighbours meet in a corner
    )


def _cross(a: Position, b: Position, c: Position, d: Position) -> bool:
    """Tell whether the lines from a to b and from c to d have a point in common."""
    turns = (_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b))
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _spans(*end) for turn, end in zip(turns, ends, strict=True))


def _turn(a: Position, b: Position, c: Position) -> int:
    """Return on which side of the line from a to b c lies: -1, 0 or 1."""
    product = (b.lon - a.lon) * (c.lat - a.lat) - (b.lat - a.lat) * (c.lon - a.lon)
    return (product > 0) - (product < 0)


def _spans(a: Position, b: Position, c: Position) -> bool:
    return min(a.lon, b.lon) <= c.lon <= max(a.lon, b.lon) and min(a.lat, b.lat) <= c.lat <= max(
        a.lat, b.lat
    )
