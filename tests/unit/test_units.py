"""Do values become the property's unit, and only where they measure the same?"""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.intake import Decoded, Reason
from hub.domain.registry import DeviceRules, Registry, StreamRules
from hub.domain.sensing import DeviceState, Quality
from hub.domain.units import UNIT_LENGTH, Conversion, Misfit, conversion, is_unit
from hub.ingest.acceptance import accept
from simulators.city import PROPERTIES

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "sent", "wanted", "becomes"),
    [
        (18, "ug/m3", "ug/m3", 18),
        (0.018, "mg/m3", "ug/m3", 18),
        (18, "ng/L", "ug/m3", 18),
        (21.5, "Cel", "K", 294.65),
        (294.65, "K", "Cel", 21.5),
        (70.7, "[degF]", "Cel", 21.5),
        (-40, "[degF]", "Cel", -40),
        (0.0215, "kCel", "Cel", 21.5),
        (101325, "Pa", "hPa", 1013.25),
        (1, "atm", "mbar", 1013.25),
        (760, "mm[Hg]", "hPa", 1013.2501412),
        (10, "m/s", "km/h", 36),
        (29.92, "[in_i'Hg]", "hPa", 1013.20747803616),
        (36, "km/h", "m/s", 10),
        (36, "km.h-1", "m/s", 10),
        (20, "[kn_i]", "m/s", 10.288888888888),
        (1.5, "kW.h", "MJ", 5.4),
        (0.5, "1", "%", 50),
        (412, "[ppm]", "10*-6", 412),
        (3, "{cars}", "{vehicles}", 3),
        (3, "/min", "Hz", 0.05),
        (90, "deg", "rad", math.pi / 2),
        (70, "dB{A}", "dB[SPL]", 70),
        (7, "B[SPL]", "dB[SPL]", 70),
        (2, "L/m2", "mm", 2),
        (3600, "L/h", "m3/h", 3.6),
        (1, "g.m/s2", "mN", 1),
        (1, "J/(m2.s)", "W/m2", 1),
        (1, "(g/m3)/s", "mg.L-1.s-1", 1),
        (4, "km2", "har", 400),
    ],
)
def test_a_value_is_converted(value, sent, wanted, becomes):
    assert conversion(sent, wanted)(value) == pytest.approx(becomes, rel=1e-9)


def test_what_can_be_exact_is_exact():
    assert conversion("mg/m3", "ug/m3")(0.018) == 18.0
    assert conversion("Pa", "hPa")(101325) == 1013.25


@pytest.mark.parametrize(
    ("sent", "wanted"),
    [("Cel", "%"), ("ug/m3", "[ppb]"), ("m", "m2"), ("mol/L", "1"), ("K", "C"), ("lx", "lm"),
     ("dB[W]", "dB[SPL]"), ("[pH]", "1"), ("rad", "1")],
)  # fmt: skip
def test_different_things_are_never_converted(sent, wanted):
    assert conversion(sent, wanted) is Misfit.DIMENSION


@pytest.mark.parametrize(
    "text",
    ["", "°C", "C°", "kmh", "ug/m³", "kmin", "Cel/h", "Cel2", "k[degF]", "m//s", "m/", ".m", "(m",
     "m)", "m s", "{a", "[x]", "m99", "10*-400", "0", "m\n", "k", "((((", "m" * (UNIT_LENGTH + 1)],
)  # fmt: skip
def test_what_ucum_does_not_know_is_no_unit(text):
    assert not is_unit(text)
    assert conversion(text, "m") is Misfit.UNKNOWN_SENT


def test_a_property_whose_unit_is_unknown_says_so():
    assert conversion("m", "furlongs") is Misfit.UNKNOWN_WANTED


def test_every_unit_of_the_sample_city_is_known():
    assert [p.unit for p in PROPERTIES if not is_unit(p.unit)] == []


@given(st.text(alphabet="mgskKCelPah[]{}()./*^%0123456789-+'ulLB", max_size=20))
def test_any_text_is_a_unit_or_none(text):
    assert is_unit(text) in (True, False)


units = st.sampled_from(["Cel", "K", "[degF]", "mK", "kCel"])


@given(st.floats(-1e6, 1e6), units, units)
def test_there_and_back_is_the_same(value, one, other):
    there, back = conversion(one, other), conversion(other, one)
    assert isinstance(there, Conversion)
    assert back(there(value)) == pytest.approx(value, rel=1e-9, abs=1e-6)


REGISTRY = Registry(
    {
        "d-1": DeviceRules(
            DeviceState.ACTIVE,
            moving=False,
            streams={
                "temperature": StreamRules(1, low=-45, high=45, unit="Cel"),
                "status": StreamRules(2, numeric=False),
                "crowd": StreamRules(3, unit="persons"),
            },
        )
    }
)


def accepted(property_, value, unit, time=NOW):
    return accept(Decoded("d-1", property_, time, value, None, unit), REGISTRY, NOW)


def test_a_reading_is_stored_in_its_propertys_unit():
    assert accepted("temperature", 294.65, "K").value == pytest.approx(21.5)


def test_the_plausible_range_is_asked_after_the_conversion():
    assert accepted("temperature", 70.0, "[degF]").quality == Quality.GOOD
    assert accepted("temperature", 70.0, "Cel").quality == Quality.IMPLAUSIBLE


@pytest.mark.parametrize(
    ("property_", "value", "unit", "reason"),
    [
        ("temperature", 50.0, "%", Reason.WRONG_DIMENSION),
        ("temperature", 50.0, "°C", Reason.UNKNOWN_UNIT),
        ("crowd", 5.0, "1", Reason.UNKNOWN_UNIT),
        ("temperature", 1e99, "YK", Reason.BAD_VALUE),
    ],
)
def test_what_cannot_be_converted_is_rejected_with_a_reason_of_its_own(
    property_, value, unit, reason
):
    assert accepted(property_, value, unit).reason is reason


def test_the_propertys_own_unit_needs_no_conversion_even_if_ucum_does_not_know_it():
    assert accepted("crowd", 5.0, "persons").value == 5.0


def test_a_text_has_no_unit():
    assert accepted("status", "open", "1").text == "open"


def test_a_time_may_be_told_from_the_arrival():
    assert accepted("temperature", 20.0, None, timedelta(seconds=-90)).time == NOW - timedelta(
        seconds=90
    )
