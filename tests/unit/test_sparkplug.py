"""Is a node asked for its birth when it must be, and not more often; and is memory bounded?"""

from datetime import UTC, datetime

import pytest

from connectors.routing import Route, Router
from connectors.sparkplug import Decoder
from connectors.sparkplug.nodes import Nodes
from connectors.sparkplug.payload import _SCHEMA, read
from hub.domain.intake import Limits, Reason
from hub.errors import ConfigurationError

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
BIRTH = "spBv1.0/plant/NBIRTH/gw-1"
DATA = "spBv1.0/plant/NDATA/gw-1"
COMMAND = "spBv1.0/plant/NCMD/gw-1"


def payload(seq, *, names=(), aliases=(), milliseconds=1_795_424_400_000):
    message = _SCHEMA["Payload"]()
    message.timestamp, message.seq = milliseconds, seq
    for number, name in enumerate(names, 1):
        metric = message.metrics.add()
        metric.name, metric.alias, metric.datatype, metric.double_value = name, number, 10, 1.0
    for alias in aliases:
        metric = message.metrics.add()
        metric.alias, metric.double_value = alias, 2.0
    return message.SerializeToString()


@pytest.fixture
def decode():
    return Decoder(now=lambda: NOW)


def test_a_node_whose_birth_was_missed_is_asked_for_it(decode):
    decode(DATA, payload(3, aliases=[1]))
    [(topic, command)] = decode.requests()
    assert topic == COMMAND
    told = read(command, Limits())
    assert told.timestamp == NOW.timestamp() * 1000
    assert [(metric.name, metric.raw) for metric in told.metrics] == [("Node Control/Rebirth", 1.0)]


def test_each_request_is_given_once(decode):
    decode(DATA, payload(3, aliases=[1]))
    assert len(decode.requests()) == 1
    assert not decode.requests()


def test_a_node_that_was_born_is_not_asked(decode):
    decode(BIRTH, payload(0, names=["no2"]))
    decode(DATA, payload(1, aliases=[1]))
    assert not decode.requests()


def test_a_gap_is_a_reason_to_ask_and_a_repeat_is_none(decode):
    decode(BIRTH, payload(0, names=["no2"]))
    decode(DATA, payload(1, aliases=[1]))
    decode(DATA, payload(1, aliases=[1]))
    assert not decode.requests()
    decode(DATA, payload(3, aliases=[1], milliseconds=1_795_424_401_000))
    assert [topic for topic, _ in decode.requests()] == [COMMAND]


def test_a_node_that_does_not_answer_is_asked_less_and_less(decode):
    asked = []
    for number in range(1, 101):
        decode(DATA, payload(number, aliases=[1], milliseconds=1_795_424_400_000 + number))
        asked += [number for _ in decode.requests()]
    assert asked[:2] == [1, 2]
    assert len(asked) <= 8


def test_a_message_with_two_faults_is_asked_for_once(decode):
    decode(DATA, payload(1, aliases=[1, 2, 3]))
    decode(DATA, payload(2, aliases=[1, 2, 3]))
    assert len(decode.requests()) == 1


def test_the_nodes_that_were_silent_for_longest_are_forgotten_first():
    decode = Decoder(nodes=Nodes(most_aliases=10, most_nodes=3), now=lambda: NOW)
    for number in range(5):
        topic = f"spBv1.0/plant/NBIRTH/gw-{number}"
        decode(topic, payload(0, names=[f"p{n}" for n in range(4)]))
    reasons = {
        number: [getattr(item, "reason", None) for item in decode(
            f"spBv1.0/plant/NDATA/gw-{number}", payload(1, aliases=[1])
        )]
        for number in (4, 0)
    }  # fmt: skip
    assert reasons == {4: [None], 0: [Reason.UNKNOWN_ALIAS]}


def test_a_birth_of_more_than_is_remembered_still_counts_for_its_node():
    decode = Decoder(nodes=Nodes(most_aliases=2), now=lambda: NOW)
    decode(BIRTH, payload(0, names=["a", "b", "c", "d"]))
    assert [item.property for item in decode(DATA, payload(1, aliases=[4]))] == ["d"]


def test_a_router_passes_on_what_its_formats_ask_for():
    router = Router([Route("spBv1.0/#", "sparkplug", "acme-"), Route("a/+", "native")], Limits())
    router(DATA, payload(1, aliases=[1]))
    assert [topic for topic, _ in router.requests()] == [COMMAND]


def test_what_must_come_in_order_cannot_be_shared():
    with pytest.raises(ConfigurationError, match="needs every message, in order"):
        Router([Route("$share/stadsnav/spBv1.0/#", "sparkplug")], Limits())
