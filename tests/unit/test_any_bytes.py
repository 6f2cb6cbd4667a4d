"""Do any bytes give readings or reasons, soon enough, in every format?"""

import json
import math
import sys
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench import golden, hostile
from connectors import naming
from connectors.formats import FORMATS, decoder
from hub.domain.identity import is_slug
from hub.domain.intake import MAGNITUDE, Decoded, Limits, Undecodable

LIMITS = Limits()
PIECES = [b"", b"null", b"1e999", b'"\\u0000"', b"[]", b"{}", b"-", b"9" * 400]
CASES = list(golden.cases())
NAMES = list(dict.fromkeys(case.format for case in CASES))
SEEDS = {
    name: [message for case in CASES if case.format == name for message in case.messages]
    for name in NAMES
}

# Of 16 KB; each byte may cost so many calls of functions. A decoder that looks at everything
# again for each of its parts has thousands. Microseconds: `python -m bench.decode`.
BYTES, CALLS_PER_BYTE = 16 * 1024, 12


def test_every_format_is_tried():
    assert {name.partition("+")[0] for name in NAMES} >= FORMATS.keys()


def sound(item):
    """Tell whether the way in may believe what a decoder made of bytes."""
    if isinstance(item, Undecodable):
        return len(item.detail) < 2_000
    assert isinstance(item, Decoded)
    value, time, position = item.value, item.time, item.position
    if isinstance(value, float):
        fine = math.isfinite(value) and abs(value) <= MAGNITUDE
    else:
        fine = isinstance(value, str) and "\0" not in value and len(value) <= LIMITS.text_length
        value.encode()  # no lone surrogate
    timed = time is None or isinstance(time, timedelta)
    timed = timed or (isinstance(time, datetime) and time.tzinfo is not None)
    placed = position is None or (abs(position.lon) <= 180 and abs(position.lat) <= 90)
    # Acceptance knows which ids there are: native passes names on as they were sent.
    named = is_slug(item.device) and isinstance(item.property, str)
    return fine and timed and placed and named and (item.unit is None or type(item.unit) is str)


@st.composite
def mutated(draw, name):
    """Draw a golden message with parts cut out, put in, repeated or taken from another."""
    topic, payload = draw(st.sampled_from(SEEDS[name]))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(payload)))
        end = draw(st.integers(start, min(len(payload), start + 20)))
        other = draw(st.sampled_from(SEEDS[name]))[1]
        at = draw(st.integers(0, len(other)))
        put = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b"", b"null", b"1e999", b'"\\u0000"', b"[]", b"{}", b"-", b"9" * 400]
                ),
                st.just(payload[start:end] * 2),
                st.just(other[at : at + 30]),
            )
        )
        payload = payload[:start] + put + payload[end:]
    if draw(st.integers(0, 9)) == 0:
        topic = draw(st.text(max_size=60))
    return topic, payload


words = st.sampled_from(["time", "values", "data", "value", "id", "n", "v", "result", "", "a.b"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def replaced(draw, name):
    """Draw a golden message of JSON in which something else stands in one place."""
    topic, payload = draw(st.sampled_from(SEEDS[name]))
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return topic, payload
    branch, drawn = document, draw(documents)
    while isinstance(branch, (dict, list)) and branch:
        keys = list(branch) if isinstance(branch, dict) else list(range(len(branch)))
        key = draw(st.sampled_from(keys))
        if draw(st.booleans()) or not isinstance(branch[key], (dict, list)):
            branch[key] = drawn
            break
        branch = branch[key]
    return topic, json.dumps(document).encode()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition("/")[2])
def test_whatever_becomes_of_a_golden_message_gives_readings_or_reasons(name):
    decode = decoder(name, LIMITS)

    @settings(max_examples=150)
    @given(st.one_of(mutated(name), replaced(name)))
    @example((SEEDS[name][0][0], b"\xff" * 100))
    def check(message):
        assert all(sound(item) for item in decode(*message))

    check()


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition("/")[2])
def test_any_bytes_at_all_give_readings_or_reasons(name):
    decode, topic = decoder(name, LIMITS), SEEDS[name][0][0]

    @settings(max_examples=50)
    @given(st.binary(max_size=200))
    def check(payload):
        assert all(sound(item) for item in decode(topic, payload))

    check()


def calls(decode, message):
    """Count the calls of functions, ours and others', that a message takes."""
    count = 0

    def one(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(one)
    try:
        decode(*message)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition("/")[2])
def test_work_grows_with_the_bytes_and_no_faster(name):
    for message in hostile.messages(name, BYTES):
        naming.forget()
        took = calls(decoder(name, LIMITS), message)
        assert took <= CALLS_PER_BYTE * BYTES, message[1][:200]
