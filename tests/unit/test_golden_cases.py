"""Does every format make of every golden case what it should, and of any bytes something?

A case is what the decoder of a format makes of one message, or of several in turn: readings as
[device, property, time, value, unit, position], with what is nothing at the end left away, or the
reason why there is none. A time `-90 s` is told from the arrival.
"""

import json
from datetime import UTC, timedelta
from pathlib import Path

import pytest

import connectors
from connectors.formats import FORMATS, decoder
from hub.domain.intake import Limits, Undecodable

FOLDER = Path(connectors.__file__).parent
LIMITS = Limits()
FEWEST = 10  # cases of each format


def golden():
    for path in sorted(FOLDER.glob("*/golden*.json")):
        told = json.loads(path.read_text("utf-8"))
        if isinstance(told, list) or "cases" not in told:
            continue  # native's and those of codecs: test_native_decoder.py, test_codecs.py
        for case in told["cases"]:
            name = case.get("format", told["format"])
            if name.endswith(".toml"):
                name = str(path.parent / name)
            yield {"topic": told.get("topic", ""), **case, "format": name}


CASES = list(golden())


def payload_of(case):
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    return (json.dumps(case["json"]) if "json" in case else case["text"]).encode()


def messages_of(case):
    for message in case.get("messages", [case]):
        yield message.get("topic", case["topic"]), payload_of(message)


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


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{Path(case['format']).name}: {case['name']}"
)
def test_golden_case(case):
    decode = decoder(case["format"], LIMITS)
    made = [[told(item) for item in decode(*message)] for message in messages_of(case)]
    assert (made if "messages" in case else made[0]) == case["gives"]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "native"])
def test_every_format_has_golden_cases_ugly_ones_too(name):
    cases = [case for case in CASES if case["format"].partition("+")[0] == name]
    assert len(cases) >= FEWEST
    assert sum(any(isinstance(item, str) for item in case["gives"]) for case in cases) >= 3


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "native"])
def test_every_format_says_what_it_speaks(name):
    pages = [path.read_text("utf-8") for path in FOLDER.glob("*/README.md")]
    assert any(f"`{name}`" in page and "https://" in page for page in pages)
