"""Does every format make of every golden case what it should? What a case is: bench/golden.py."""

import re
from datetime import UTC, timedelta

import pytest

from bench import golden
from connectors.formats import FORMATS, decoder
from hub.domain.intake import Limits, Undecodable

LIMITS = Limits()
FEWEST = 10  # cases of each format
CASES = [case for case in golden.cases() if case.format != "native"]  # test_native_decoder.py


def told(item):
    if isinstance(item, Undecodable):
        return str(item.reason)
    time = item.time
    if isinstance(time, timedelta):
        time = f"{time.total_seconds():g} s"
    elif time is not None:
        time = time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    position = item.position and list(item.position)
    said = [item.device, item.property, time, item.value, item.unit, position]
    while said[-1] is None:
        said.pop()
    return said


@pytest.mark.parametrize("case", CASES, ids=str)
def test_golden_case(case):
    decode = decoder(case.format, LIMITS)
    made = [[told(item) for item in decode(*message)] for message in case.messages]
    assert made == case.gives


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "native"])
def test_every_format_has_golden_cases_ugly_ones_too(name):
    cases = [case for case in CASES if case.format.partition("+")[0] == name]
    assert len(cases) >= FEWEST
    ugly = [case for case in cases if any(isinstance(i, str) for one in case.gives for i in one)]
    assert len(ugly) >= 3


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "native"])
def test_every_format_says_what_it_speaks(name):
    pages = [path.read_text("utf-8") for path in golden.FOLDER.glob("*/README.md")]
    assert any(f"`{name}`" in page and "https://" in page for page in pages)


SAMPLES = [
    ("senml", 0, "senml", "senml/gw-1"),
    ("ttn", 0, "ttn", "v3/city@ttn/devices/air-1/up"),
    ("chirpstack", 0, "chirpstack", "application/1/device/24e124136b000001/event/up"),
    ("cloudevents", 0, "cloudevents", "events/city"),
    ("ngsi_ld", 0, "ngsi-ld", "ngsi/notify"),
    ("sensorthings", 0, "sensorthings", "v1.1/Observations"),
    ("topics", 0, "zigbee2mqtt", "zigbee2mqtt/air-1"),
    ("topics", 1, "tasmota", "tele/meter-1/SENSOR"),
    ("topics", 2, "shelly", "shelly-1/status/switch:0"),
    ("csv", 0, "csv", "csv/upload"),
    ("csv", 1, "csv", "csv/upload"),
]


@pytest.mark.parametrize(("folder", "number", "name", "topic"), SAMPLES)
def test_the_sample_of_the_page_is_what_the_format_speaks(folder, number, name, topic):
    page = (golden.FOLDER / folder / "README.md").read_text("utf-8")
    samples = re.findall(r"```(?:json|csv)\n(.*?)```", page, re.DOTALL)
    items = decoder(name, LIMITS)(topic, samples[number].encode())
    assert items
    assert not any(isinstance(item, Undecodable) for item in items)


def test_the_sample_of_sparkplug_is_a_message():
    page = (golden.FOLDER / "sparkplug/README.md").read_text("utf-8")
    [sample] = re.findall(r"```\n0x([0-9a-f]+)\n```", page)
    [item] = decoder("sparkplug", LIMITS)("spBv1.0/g/DDATA/n/d", bytes.fromhex(sample))
    assert (item.property, item.value) == ("flow_rate", 2.5)


def test_the_sample_of_a_mapping_makes_what_the_page_says(tmp_path):
    page = (golden.FOLDER / "mapping/README.md").read_text("utf-8")
    [sample] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    topic, payload = re.findall(r"--topic (\S+) --payload '([^']+)'", page)[0]
    path = tmp_path / "acme.toml"
    path.write_text(sample)
    [item] = decoder(str(path), LIMITS)(topic, payload.encode())
    assert told(item) == ["north-4", "no2", "2026-11-23T09:00:00Z", 18.5, "ug/m3"]
