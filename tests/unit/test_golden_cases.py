"""Does every format make of every golden case what it should? What a case is: bench/golden.py."""

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
