"""Does every codec make of the bytes of a device what its maker says?

A golden case is the bytes of one uplink and what they hold: [name, value, unit], ["@", lon, lat],
or the reason why it is not read to its end.
"""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import connectors
from connectors.lorawan.codec import MOST_BYTES
from connectors.lorawan.codecs import CODECS, codec, of_model
from connectors.untrusted import Fault
from hub.domain.sensing import Position
from hub.domain.units import is_unit
from hub.errors import ConfigurationError

CASES = json.loads((Path(connectors.__file__).parent / "lorawan/golden.json").read_text("utf-8"))[
    "codecs"
]


def made(name, data):
    told = []
    try:
        for item in codec(name)(1, data):  # what came before a fault stays
            told.append(["@", *item] if isinstance(item, Position) else list(item))  # noqa: PERF401
    except Fault as fault:
        told.append(str(fault.undecodable.reason))
    return told


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['codec']}: {case['name']}")
def test_golden_case(case):
    told = made(case["codec"], bytes.fromhex(case["hex"]))
    for item, wanted in zip(told, case["gives"], strict=True):
        if isinstance(wanted, str):
            assert item == wanted
        else:
            assert item == [pytest.approx(one) if type(one) is float else one for one in wanted]


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_has_golden_cases(name):
    assert any(case["codec"] == name for case in CASES)


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=MOST_BYTES + 10))
@example(data=b"\xff" * MOST_BYTES)
def test_any_bytes_give_values_with_units_or_a_reason(name, data):
    for item in made(name, data):
        if not isinstance(item, str) and item[0] != "@":
            assert item[2] is None or is_unit(item[2])


@pytest.mark.parametrize(
    ("brand", "model", "name"),
    [
        ("elsys", "ers-co2", "elsys"),
        ("milesight-iot", "am307", "milesight-am"),
        ("milesight-iot", "em300-th", "milesight-em"),
        ("decentlab", "dl-ctd10", "decentlab-ctd10"),
        ("milesight-iot", "vs121", None),
        ("decentlab", "dl-new", None),
        ("acme", "elsys", None),
    ],
)
def test_the_device_repositorys_models_have_their_codecs(brand, model, name):
    assert of_model(brand, model) is (CODECS[name] if name else None)


def test_an_unknown_codec_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigurationError, match="no codec 'elsis'; known are elsys"):
        codec("elsis")
