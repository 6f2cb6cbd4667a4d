"""Areas as PostgreSQL's own polygons: there is no need for PostGIS."""

from collections.abc import Sequence

import asyncpg

from hub.domain.areas import Area
from hub.domain.sensing import Position


def polygon(area: Area | None) -> asyncpg.Polygon | None:
    return None if area is None else asyncpg.Polygon(*area.corners)


def polygons(areas: Sequence[Area]) -> list[str]:
    """Write areas for a query, as text: asyncpg takes a list of polygons for one of numbers."""
    return [
        "".join(("(", ",".join(f"({c.lon!r},{c.lat!r})" for c in a.corners), ")")) for a in areas
    ]


def area(stored: asyncpg.Polygon | None) -> Area | None:
    if stored is None:
        return None
    return Area(tuple(Position(point.x, point.y) for point in stored.points))
