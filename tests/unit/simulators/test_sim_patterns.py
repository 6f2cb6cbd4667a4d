"""Do devices measure what a city would let them measure, and the same whenever asked?"""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.city import CENTRE, DEGREE_LAT_M, DEGREE_LON_M, PROPERTIES, sample_city
from simulators.patterns import position, value

DEVICES = sample_city().devices
RANGES = {p.id: (p.low, p.high) for p in PROPERTIES}
BUS = next(device for device in DEVICES if device.moving)
# A Wednesday in November: eight in the morning, and three at night, by the city's clock.
RUSH = datetime(2026, 11, 18, 7, tzinfo=UTC)
NIGHT = datetime(2026, 11, 18, 2, tzinfo=UTC)

devices = st.sampled_from(DEVICES)
times = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
    max_value=datetime(2100, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def of_kind(kind):
    return [device for device in DEVICES if device.kind == kind]


def average(kind, observed, time):
    return mean(value(device, observed, time) for device in of_kind(kind))


def metres(place):
    return (place[0] - CENTRE[0]) * DEGREE_LON_M, (place[1] - CENTRE[1]) * DEGREE_LAT_M


@settings(deadline=None)
@given(devices, times)
def test_every_value_is_plausible_at_any_time(device, time):
    for observed in device.properties:
        low, high = RANGES[observed]
        found = value(device, observed, time)
        if low is None:
            assert found in {"open", "full", "closed"}
        else:
            assert low <= found <= high
            assert math.copysign(1, found) > 0 or found < 0, "no negative zero"


@settings(deadline=None)
@given(devices, times)
def test_a_value_is_the_same_whenever_it_is_asked(device, time):
    elsewhere = time.astimezone(None)
    for observed in device.properties:
        assert value(device, observed, time) == value(device, observed, elsewhere)


def test_a_car_park_says_its_status_in_words():
    assert {value(device, "parking_status", NIGHT) for device in of_kind("parking")} == {
        "open",
        "closed",
    }


@pytest.mark.parametrize(
    ("kind", "observed"),
    [("traffic-counter", "vehicle_count"), ("air-quality", "no2"), ("noise", "laeq")],
)
def test_the_rush_hour_raises_what_traffic_makes(kind, observed):
    assert average(kind, observed, RUSH) > 1.1 * average(kind, observed, NIGHT)


def test_the_rush_hour_slows_traffic():
    slow, fast = (average("traffic-counter", "vehicle_speed", time) for time in (RUSH, NIGHT))
    assert slow < fast


def test_a_saturday_morning_is_calmer_than_a_wednesday_morning():
    saturday = RUSH + timedelta(days=3)
    weekend, weekday = (
        average("traffic-counter", "vehicle_count", time) for time in (saturday, RUSH)
    )
    assert weekend < 0.7 * weekday


def test_the_weekend_starts_at_midnight_by_the_citys_clock():
    midnight = datetime(2026, 11, 20, 23, tzinfo=UTC)
    before, after = (
        average("noise", "laeq", midnight + timedelta(seconds=s)) for s in (-0.001, 0.001)
    )
    assert after == pytest.approx(before, abs=0.1)


def test_devices_share_the_weather():
    winter, summer = (datetime(2026, month, 15, 12, tzinfo=UTC) for month in (1, 7))
    for time in (winter, summer):
        found = [value(device, "temperature", time) for device in of_kind("weather")]
        assert max(found) - min(found) <= 1.2
    assert average("weather", "temperature", summer) > average("weather", "temperature", winter)


def test_it_rains_sometimes_and_is_dry_mostly():
    station = of_kind("weather")[0]
    hours = [RUSH + timedelta(hours=n) for n in range(24 * 60)]
    wet = sum(value(station, "precipitation", hour) > 0 for hour in hours) / len(hours)
    assert 0.05 < wet < 0.4


def test_neighbouring_moments_differ_little():
    station = of_kind("weather")[0]
    moments = [RUSH + timedelta(seconds=10 * n) for n in range(1_000)]
    found = [value(station, "temperature", moment) for moment in moments]
    assert max(abs(a - b) for a, b in pairwise(found)) < 0.15


def test_devices_of_a_kind_differ():
    assert len({value(device, "laeq", RUSH) for device in of_kind("noise")}) > 30


def test_a_fixed_device_stays():
    station = of_kind("weather")[0]
    assert position(station, RUSH) == position(station, NIGHT) == (station.lon, station.lat)


def test_the_bus_drives_a_round_through_the_city_at_the_speed_of_a_bus():
    trail = [metres(position(BUS, RUSH + timedelta(seconds=10 * n))) for n in range(360)]
    steps = [math.dist(a, b) for a, b in pairwise(trail)]
    assert all(step <= 10 * 50 / 3.6 for step in steps)  # corners shorten some, nothing jumps
    assert mean(steps) > 10 * 15 / 3.6
    assert all(abs(east) < 4_000 and abs(north) < 3_000 for east, north in trail)
    assert min(math.dist(trail[0], later) for later in trail[60:]) < 70  # it comes round again
