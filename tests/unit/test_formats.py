"""Does every topic speak the format that it was given, and may others bring formats?"""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import formats
from connectors.routing import Route, Router, _pattern, read_routes
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.topics import is_filter, overlap, subscribed
from hub.errors import ConfigurationError

LIMITS = Limits()
MAIN = "v1/devices/+/readings"
NO2 = b'{"values": {"no2": 18}}'


def test_one_word_is_the_format_of_the_main_topic():
    assert read_routes("native", MAIN) == [Route(MAIN, "native")]


def test_more_words_are_more_topics_with_formats_and_prefixes():
    assert read_routes("native  a/+/b=senml $share/g/c/#=x.toml:acme-", MAIN) == [
        Route(MAIN, "native"),
        Route("a/+/b", "senml"),
        Route("$share/g/c/#", "x.toml", "acme-"),
    ]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("", "names no format"),
        ("a/#/b=native", "is not a topic filter"),
        ("=native", "is not a topic filter"),
        ("a+/b=native", "is not a topic filter"),
        ("a/+=native a/b=native", "fit the same topics"),
        ("native v1/#=native", "fit the same topics"),
        ("$share/g/a=native a=native", "fit the same topics"),
        ("a=native:UPPER", "cannot begin the id"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_start(told, said):
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        read_routes(told, MAIN)


def test_an_unknown_format_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigurationError, match="no payload format 'natve'; known are native"):
        Router([Route(MAIN, "natve")], LIMITS)


def test_a_topic_without_a_format_is_a_rejection():
    router = Router([Route("a/+", "native")], LIMITS)
    assert [item.reason for item in router("b/c", NO2)] == [Reason.BAD_TOPIC]


def test_a_devices_own_topic_speaks_native_unless_a_route_says_otherwise():
    router = Router([Route("a/+", "native")], LIMITS)
    assert router("v1/devices/d-1/readings", NO2) == [Decoded("d-1", "no2", None, 18.0, None)]


def test_a_prefix_bounds_for_which_devices_a_topic_speaks():
    router = Router([Route(MAIN, "native", "acme-")], LIMITS)
    assert [item.device for item in router("v1/devices/d-1/readings", NO2)] == ["acme-d-1"]


levels = st.lists(st.sampled_from(["a", "b", "", "$SYS"]), min_size=1, max_size=4)
filters = st.lists(st.sampled_from(["a", "b", "", "+", "$SYS"]), min_size=1, max_size=4)


@st.composite
def a_filter(draw):
    return "/".join([*draw(filters), *draw(st.sampled_from([[], ["#"]]))])


def fits(topic, filter_):
    """Say it as MQTT 3.1.1 does in section 4.7, level by level."""
    told, wanted = topic.split("/"), filter_.split("/")
    if told[0].startswith("$") and wanted[0] in ("+", "#"):
        return False
    for number, level in enumerate(wanted):
        if level == "#":
            return True
        if number >= len(told) or level not in ("+", told[number]):
            return False
    return len(told) == len(wanted)


def fits_parent(topic, filter_):
    return filter_.endswith("/#") and fits(topic, filter_.removesuffix("/#"))


@given(levels, a_filter())
def test_a_route_takes_what_its_filter_fits(topic, filter_):
    topic = "/".join(topic)
    wanted = fits(topic, filter_) or fits_parent(topic, filter_)
    assert bool(_pattern(filter_).fullmatch(topic)) is wanted
    assert overlap(topic, filter_) is overlap(filter_, topic) is wanted


@given(levels, a_filter(), a_filter())
def test_filters_that_share_a_topic_overlap(topic, one, other):
    topic = "/".join(topic)
    if overlap(topic, one) and overlap(topic, other):
        assert overlap(one, other)


def test_a_shared_subscription_has_a_filter_of_its_own():
    assert subscribed("$share/g/a/#") == "a/#"
    assert subscribed("a/#") == "a/#"
    assert not is_filter("")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a package as pip would: a module and its metadata on the path."""

    def install(name, source):
        (tmp_path / f"{name}.py").write_text(source)
        told = tmp_path / f"{name}-1.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (told / "entry_points.txt").write_text(f"[stadsnav.formats]\nacme = {name}:make\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


def example():
    page = (Path(__file__).parents[2] / "docs/formats.md").read_text("utf-8")
    [source] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(source.splitlines()) <= 20
    return source


def test_the_example_of_the_documents_is_a_format(installed):
    installed("acme_stadsnav", example())
    router = Router(read_routes("acme/+=acme", MAIN), LIMITS)
    assert [found.name for found in formats.third_party()] == ["acme"]
    assert router("acme/d-1", b"no2=18;pm10=7") == [
        Decoded("d-1", "no2", None, 18.0, None),
        Decoded("d-1", "pm10", None, 7.0, None),
    ]


@pytest.mark.parametrize(
    ("topic", "payload", "reasons"),
    [
        ("acme/d-1", b"no2", [Reason.WRONG_SHAPE]),
        ("acme/d-1", b"no2=nan;pm10=7", [Reason.BAD_VALUE, None]),
        ("acme/d-1", b"no2=1e101", [Reason.BAD_VALUE]),
        ("acme/D 1", b"no2=1", [Reason.BAD_NAME]),
        ("acme/d-1", b"", [Reason.EMPTY]),
        ("acme/d-1", b"x" * 300_000, [Reason.TOO_LARGE]),
        ("acme/d-1", b";".join(b"p%d=1" % n for n in range(6000)), [Reason.TOO_MANY_VALUES]),
    ],
)
def test_what_anothers_format_gives_is_held_to_our_rules(installed, topic, payload, reasons):
    installed("acme_strict", example())
    items = Router(read_routes("acme/+=acme", MAIN), LIMITS)(topic, payload)
    assert [getattr(item, "reason", None) for item in items] == reasons


def test_anothers_format_speaks_on_a_devices_own_topic_for_it_alone(installed):
    source = "from connectors.formats import *\ndef make(limits):\n    return lambda t, p: ["
    installed("acme_spoofs", source + "Decoded('noise-9', 'laeq', None, 1.0, None)]\n")
    router = Router([Route(MAIN, "acme")], LIMITS)
    [item] = router("v1/devices/d-1/readings", NO2)
    assert isinstance(item, Undecodable)
    assert item.reason is Reason.WRONG_DEVICE
    assert len(router("v1/devices/noise-9/readings", NO2)) == 1


def test_a_format_that_cannot_be_imported_ends_the_start_with_one_line(installed):
    installed("acme_broken", "import nothing_of_this_name\n")
    with pytest.raises(ConfigurationError, match=r"'acme' of acme_broken:make cannot be used"):
        Router([Route(MAIN, "acme")], LIMITS)
