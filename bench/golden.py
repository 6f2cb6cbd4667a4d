"""What must the formats make of what? The golden cases beside them, which tests share.

A case is one message, or several in turn, and what its format makes of each: readings as [device,
property, time, value, unit, position], with what is nothing at the end left away, or the reason
why there is none. A time `-90 s` is told from the arrival.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import connectors

FOLDER = Path(connectors.__file__).parent
Message = tuple[str, bytes]  # topic and payload


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `gives` holds what comes of each of its messages."""

    format: str
    name: str
    messages: list[Message]
    gives: list[list[Any]]

    def __str__(self) -> str:
        return f"{Path(self.format).name}: {self.name}"


def cases() -> Iterator[Case]:
    """Yield all cases; those of codecs, which are no messages, are in lorawan/golden.json."""
    for path in sorted(FOLDER.glob("*/golden*.json")):
        told = json.loads(path.read_text("utf-8"))
        if isinstance(told, list):
            yield from _native(told)
        elif "cases" in told:
            yield from _of_format(path.parent, told)


def _native(told: list[dict[str, Any]]) -> Iterator[Case]:
    for case in told:
        text = case.get("payload", "")
        payload = bytes.fromhex(case["hex"]) if "hex" in case else text.encode()
        yield Case("native", case["name"], [("v1/devices/d-1/readings", payload)], [case["gives"]])


def _of_format(folder: Path, told: dict[str, Any]) -> Iterator[Case]:
    for case in told["cases"]:
        name = case.get("format", told["format"])
        if name.endswith(".toml"):
            name = str(folder / name)
        in_turn = case.get("messages", [case])
        topic = case.get("topic", told.get("topic", ""))
        messages = [(one.get("topic", topic), _payload(one)) for one in in_turn]
        gives = case["gives"] if "messages" in case else [case["gives"]]
        yield Case(name, case["name"], messages, gives)


def _payload(case: dict[str, Any]) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    text: str = json.dumps(case["json"]) if "json" in case else case["text"]
    return text.encode()
