"""How long does each payload format take: per message, per reading, and at its worst?

`python -m bench.decode` decodes the golden cases that hold readings, and 64 KB messages made to
cost much (bench/hostile.py). Times are of this process's own CPU clock, the best of several runs.
"""

import time
from collections.abc import Sequence

from bench import golden, hostile
from bench.report import finish, say
from connectors import naming
from connectors.formats import FORMATS, decoder
from hub.domain.intake import Limits
from hub.ingest.ports import Decode

LIMITS = Limits()
RUNS, ROUNDS = 7, 200
HOSTILE_RUNS = 3
Message = tuple[str, bytes]


def main() -> None:
    figures: dict[str, object] = {}
    names = dict.fromkeys(case.format for case in golden.cases())
    for name in sorted(names, key=_place):
        told = name.rpartition("/")[2]
        say(told)
        per_message, per_reading = _usual(name)
        worst_ms, size = _worst(name)
        figures[told] = {
            "us_per_message": round(per_message * 1e6, 1),
            "us_per_reading": round(per_reading * 1e6, 1),
            "worst_ms_64kb": round(worst_ms, 1),
            "messages_64kb": size,
        }
    finish("decode", figures)


def _place(name: str) -> tuple[int, str]:
    known = list(FORMATS)
    base = name.partition("+")[0]
    return (known.index(base) if base in known else len(known), name)


def _usual(name: str) -> tuple[float, float]:
    """Return seconds per message and per reading, of the cases that are wholly stored."""
    sequences: list[Sequence[Message]] = []
    readings = messages = 0
    for case in golden.cases():
        items = [item for one in case.gives for item in one]
        if case.format == name and items and not any(isinstance(item, str) for item in items):
            sequences.append(case.messages)
            readings, messages = readings + len(items), messages + len(case.messages)
    if not readings:
        return 0.0, 0.0
    decode = decoder(name, LIMITS)
    best = min(_timed(decode, sequences, ROUNDS) for _ in range(RUNS)) / ROUNDS
    return best / messages, best / readings


def _timed(decode: Decode, sequences: Sequence[Sequence[Message]], rounds: int) -> float:
    started = time.process_time()
    for _ in range(rounds):
        for sequence in sequences:
            for topic, payload in sequence:
                decode(topic, payload)
    return time.process_time() - started


def _worst(name: str) -> tuple[float, int]:
    """Return the milliseconds of the costliest message, and how many were tried."""
    worst, count = 0.0, 0
    for count, message in enumerate(hostile.messages(name), 1):  # noqa: B007
        worst = max(worst, min(_fresh(name, message) for _ in range(HOSTILE_RUNS)) * 1000)
    return worst, count


def _fresh(name: str, message: Message) -> float:
    """Return the seconds of a message of which nothing was heard before."""
    naming.forget()
    return _timed(decoder(name, LIMITS), [[message]], 1)


if __name__ == "__main__":
    main()
