"""What is an area, and what lies in it?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.areas import Area, geojson, parse_area
from hub.domain.sensing import Position

SQUARE = [[17, 59], [18, 59], [18, 60], [17, 60], [17, 59]]
# A horseshoe, open to the north.
HORSESHOE = [[0, 0], [9, 0], [9, 9], [6, 9], [6, 3], [3, 3], [3, 9], [0, 9], [0, 0]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.mark.parametrize(
    ("lon", "lat", "inside"),
    [(1.5, 8, True), (7.5, 8, True), (4.5, 8, False), (4.5, 1.5, True), (-1, 1.5, False),
     (10, 1.5, False), (4.5, -1, False), (4.5, 10, False)],
)  # fmt: skip
def test_an_area_need_not_be_convex(lon, lat, inside):
    assert parse_area(polygon(HORSESHOE)).holds(Position(lon, lat)) is inside


@given(st.floats(0, 9, exclude_min=True, exclude_max=True), st.floats(-5, 15))
def test_the_direction_of_the_ring_and_its_beginning_do_not_matter(lon, lat):
    ring = HORSESHOE[:-1]
    turned = [*ring[3:], *ring[:3], ring[3]]
    here = Position(lon, lat)
    found = {
        parse_area(polygon(corners)).holds(here) for corners in (HORSESHOE, HORSESHOE[::-1], turned)
    }
    assert len(found) == 1


def test_an_area_is_written_as_it_was_read():
    area = parse_area(polygon(SQUARE))
    assert parse_area(geojson(area)) == area
    assert area == Area(tuple(Position(*corner) for corner in SQUARE[:-1]))


@pytest.mark.parametrize(
    ("geometry", "says"),
    [
        (None, "GeoJSON Polygon"),
        ({"type": "Point", "coordinates": [17, 59]}, "GeoJSON Polygon"),
        (polygon(), "GeoJSON Polygon"),
        (polygon(SQUARE, SQUARE), "no holes"),
        (polygon(SQUARE[:-1]), "ends where it begins"),
        (polygon([]), "ends where it begins"),
        (polygon([[17, 59], [18, 59], [17, 59]]), "3 to 500 corners"),
        (polygon([[i % 7, i / 10] for i in range(502)] + [[0, 0.0]]), "3 to 500 corners"),
        (polygon([[17, 59], [18, 60], [18, 59], [17, 60], [17, 59]]), "cross itself"),
        (polygon([[0, 0], [4, 0], [2, 0], [2, 2], [0, 0]]), "cross itself"),
        (polygon([[17, 59], [181, 59], [18, 60], [17, 59]]), "corner 1"),
        (polygon([[17, 59], [18, 91], [18, 60], [17, 59]]), "corner 1"),
        (polygon([[17, 59], [18, float("nan")], [18, 60], [17, 59]]), "corner 1"),
        (polygon([[17, 59], ["18", 59], [18, 60], [17, 59]]), "corner 1"),
        (polygon([[17, 59], [True, True], [18, 60], [17, 59]]), "corner 1"),
        (polygon([[17, 59, 5], [18, 59], [18, 60], [17, 59, 5]]), "corner 0"),
    ],
)
def test_what_is_no_area_says_why(geometry, says):
    with pytest.raises(ValueError, match=says):
        parse_area(geometry)
