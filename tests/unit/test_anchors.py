"""Do anchors and proofs hold, and only those?"""

import runpy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.anchors import anchor, first_break, parse_anchor, path, proof, root
from hub.domain.audit import FIRST_HASH, Event, link

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[2] / "docs/examples/audit_proof.py"
root_of = runpy.run_path(str(EXAMPLE))["root_of"]
NAMES = ["åsa", "ᐃᓄᒃ", "محمد", "水野", "\u202eeve", 'a"b\\c', "🌊"]


def chain(length):
    links, previous = [], FIRST_HASH
    for position in range(1, length + 1):
        name = NAMES[position % len(NAMES)]
        told = Event(name, None, "test", "test/1", frozenset({"b", "a"}), NOW, name, "", "{}")
        links.append(link(position, told, previous))
        previous = links[-1].hash
    return links


def anchored(links, *sizes):
    found, start = [], 0
    for size in sizes:
        hashes = [one.hash for one in links[start : start + size]]
        found.append(anchor(found[-1] if found else None, hashes, NOW))
        start += size
    return found


@given(st.integers(1, 70), st.data())
def test_every_event_is_proved_by_the_example_and_no_other_is(length, data):
    before = data.draw(st.integers(1, 5))
    links = chain(before + length)
    covering = anchored(links, before, length)[1]
    at = data.draw(st.integers(before, before + length - 1))
    hashes = [one.hash for one in links[before:]]
    told = proof(links[at], covering, hashes)
    assert root_of(told) == covering.root
    assert len(told["path"]) <= 7
    other = proof(data.draw(st.sampled_from(links[before:])), covering, hashes)
    if other != told:
        assert root_of(told | {"event": other["event"]}) != covering.root
    told["event"]["reason"] += " "
    assert root_of(told) != covering.root


def test_the_tree_is_that_of_rfc_6962():
    """Its leaves are 32 bytes here; the shape for seven is the one drawn in section 2.1.3."""
    from hashlib import sha256  # noqa: PLC0415

    hashes = [bytes([number]) * 32 for number in range(7)]
    leaf = [sha256(b"\0" + one).digest() for one in hashes]

    def join(left, right):
        return sha256(b"\1" + left + right).digest()

    g, h, i = (join(*leaf[at : at + 2]) for at in (0, 2, 4))
    k, m = join(g, h), join(i, leaf[6])
    assert root(hashes) == join(k, m)
    assert path(hashes, 0) == [leaf[1], h, m]
    assert path(hashes, 3) == [leaf[2], g, m]
    assert path(hashes, 6) == [i, k]


def test_an_anchor_is_read_as_it_was_written():
    for one in anchored(chain(9), 4, 1, 4):
        assert parse_anchor(one.line) == one
        assert parse_anchor(f"{one.line}\n") == one


@pytest.mark.parametrize(
    "line",
    ["", "{}", "[]", "null", "{", "[" * 100_000, '{"anchor":1}',
     anchored(chain(1), 1)[0].line.replace(":", ": "),
     anchored(chain(1), 1)[0].line.replace('"last":1', '"last":"1"')],
)  # fmt: skip
def test_nothing_else_is_an_anchor(line):
    with pytest.raises(ValueError, match="anchor"):
        parse_anchor(line)


def test_anchors_follow_one_another():
    found = anchored(chain(9), 4, 1, 4)
    assert first_break(found) is None
    assert first_break([]) is None
    assert first_break(found[1:]) == 1
    assert first_break([found[0], found[2]]) == 2
    for changes in ({"head": bytes(32)}, {"root": bytes(32)}, {"at": NOW.replace(year=2025)}):
        assert first_break([found[0], replace(found[1], **changes), found[2]]) == 3
    assert first_break([replace(found[0], last=3), *found[1:]]) == 2
