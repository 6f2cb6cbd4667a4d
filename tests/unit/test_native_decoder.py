"""Does the native decoder make of every payload what the golden cases say, and never fail?"""

import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import native
from connectors.native import decode
from hub.domain.intake import Decoded, Limits, Reason, Undecodable

TOPIC = "v1/devices/d-1/readings"
GOLDEN = json.loads((Path(native.__file__).parent / "golden.json").read_text("utf-8"))


def told(item):
    if isinstance(item, Undecodable):
        return str(item.reason)
    time = item.time and item.time.astimezone(UTC).isoformat()
    return [item.property, time, item.value, item.position and list(item.position)]


def payload_of(case):
    return bytes.fromhex(case["hex"]) if "hex" in case else case["payload"].encode()


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_golden_case(case):
    assert [told(item) for item in decode(TOPIC, payload_of(case))] == case["gives"]


def reasons(payload, topic=TOPIC, **limits):
    return [item.reason for item in decode(topic, payload, Limits(**limits))]


def test_a_megabyte_is_refused_unread():
    assert reasons(b'{"values": {"no2": 1}}' + b" " * 1_000_000) == [Reason.TOO_LARGE]


def test_a_thousand_levels_are_refused():
    assert reasons(b"[" * 1000 + b"]" * 1000) == [Reason.TOO_DEEP]


def test_a_hundred_thousand_values_in_one_message_are_one_rejection():
    values = json.dumps({"values": {f"p{i}": i for i in range(100_000)}}).encode()
    assert reasons(values, payload_bytes=10_000_000) == [Reason.TOO_MANY_VALUES]


def test_many_elements_count_as_values_too():
    assert reasons(b"[" + b",".join([b"1"] * 11) + b"]", values_per_message=10) == [
        Reason.TOO_MANY_VALUES
    ]


def test_a_long_text_costs_that_value():
    assert reasons(b'{"values": {"status": "%s"}}' % (b"x" * 11), text_length=10) == [
        Reason.BAD_VALUE
    ]


@pytest.mark.parametrize(
    "topic",
    ["", "v1/devices", "v1/devices//readings", "v1/devices/A B/readings", "v2/devices/d/readings",
     "v1/devices/d/readings/x", "v1/devices/+/readings", "v1/devices/d/receipts"],
)  # fmt: skip
def test_another_topic_is_refused(topic):
    assert reasons(b'{"values": {"no2": 1}}', topic=topic) == [Reason.BAD_TOPIC]


@given(st.binary(max_size=300))
def test_any_bytes_give_readings_or_reasons(payload):
    items = decode(TOPIC, payload)
    assert items
    assert all(isinstance(item, (Decoded, Undecodable)) for item in items)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
elements = st.fixed_dictionaries(
    {}, optional={"time": json_values, "values": json_values, "position": json_values}
)


@given(st.one_of(elements, st.lists(elements, max_size=4), json_values))
def test_any_json_gives_readings_or_reasons(document):
    items = decode(TOPIC, json.dumps(document).encode())
    assert items
    assert all(isinstance(item, (Decoded, Undecodable)) for item in items)


finite = st.floats(-1e100, 1e100)
times = st.datetimes(timezones=st.just(UTC))


@given(st.dictionaries(st.text(min_size=1), finite, min_size=1, max_size=5), times)
def test_what_a_device_encodes_is_what_is_decoded(values, time):
    payload = json.dumps({"time": time.isoformat(), "values": values}, ensure_ascii=False)
    try:
        raw = payload.encode()
    except UnicodeEncodeError:
        return  # hypothesis made a lone surrogate, which no device can send
    assert decode(TOPIC, raw) == [
        Decoded("d-1", name, time, float(value), None) for name, value in values.items()
    ]
