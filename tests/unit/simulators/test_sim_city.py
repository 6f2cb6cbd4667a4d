"""Is the sample city what the hub's tests and demonstrations expect?"""

import re
from collections import Counter

from simulators.city import CENTRE, DEGREE_LAT_M, DEGREE_LON_M, sample_city

CITY = sample_city()


def test_the_city_is_the_same_at_every_call():
    assert sample_city() == CITY


def test_there_are_five_organisations():
    assert {o.id for o in CITY.organisations} == {
        "traffic",
        "environment",
        "water",
        "property",
        "region",
    }


def test_there_are_200_devices_with_ids_of_their_own():
    assert len({device.id for device in CITY.devices}) == len(CITY.devices) == 200


def test_every_id_is_a_slug():
    ids = [thing.id for thing in (*CITY.devices, *CITY.organisations, *CITY.properties)]
    assert [id_ for id_ in ids if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", id_)] == []


def test_one_bus_moves_and_nothing_else_does():
    assert [device.id for device in CITY.devices if device.moving] == ["bus-1"]


def test_every_kind_belongs_to_one_organisation_and_measures_the_same():
    kinds = {(d.kind, d.organisation, d.properties) for d in CITY.devices}
    assert kinds == {
        ("air-quality", "environment", ("no2", "pm10", "pm2_5", "temperature")),
        ("noise", "environment", ("laeq",)),
        ("traffic-counter", "traffic", ("vehicle_count", "vehicle_speed")),
        ("parking", "property", ("free_spaces", "parking_status")),
        ("water-level", "water", ("water_level", "water_temperature")),
        ("weather", "region", ("temperature", "humidity", "wind_speed", "precipitation")),
        ("bus", "region", ("temperature", "vehicle_speed")),
    }


def test_every_device_measures_known_properties_for_a_known_organisation():
    known = {p.id for p in CITY.properties}
    owners = {o.id for o in CITY.organisations}
    assert all(set(d.properties) <= known and d.organisation in owners for d in CITY.devices)


def test_every_number_has_a_range_and_no_text_has():
    for observed in CITY.properties:
        if observed.kind == "text":
            assert (observed.low, observed.high) == (None, None)
        else:
            assert observed.low < observed.high


def test_no_two_devices_stand_at_the_same_place():
    assert max(Counter((d.lon, d.lat) for d in CITY.devices).values()) == 1


def test_the_city_is_about_eight_by_six_kilometres():
    east = [(d.lon - CENTRE[0]) * DEGREE_LON_M for d in CITY.devices]
    north = [(d.lat - CENTRE[1]) * DEGREE_LAT_M for d in CITY.devices]
    assert 7_000 < max(east) - min(east) < 8_500
    assert 5_000 < max(north) - min(north) < 6_500
    assert all(abs(e) < 4_500 and abs(n) < 3_500 for e, n in zip(east, north, strict=True))


def test_about_twenty_messages_flow_in_a_second():
    assert 19 < sum(1 / d.interval_s for d in CITY.devices) < 22
    assert all(5 <= d.interval_s <= 15 for d in CITY.devices)
