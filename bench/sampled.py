"""Run `stadsnav ingest` and note, every few milliseconds of its own CPU time, where it is.

Used by `bench.profile`: `python -m bench.sampled FILE`. SIGUSR1 begins, SIGUSR2 ends and writes
FILE. Samples follow CPU time (ITIMER_PROF), so a process that waits is not sampled.

Python runs a signal's handler when it is back in Python, so a sample taken inside the compiled
driver would be found only after it has returned, somewhere in the event loop. `Stepped` puts a
frame of Python around it, in which such a sample is found.
"""

import functools
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from types import FrameType
from typing import Any

import asyncpg

from hub.cli import main

EVERY_S = 0.001  # the kernel may make it four times that

Place = tuple[str, str]  # file, function


class Stepped:
    """An awaitable whose every step is called from here."""

    def __init__(self, awaitable: Awaitable[object]) -> None:
        self._steps = awaitable.__await__()

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[], Any] = functools.partial(next, self._steps)
        while True:
            try:
                waits_for = step()
            except StopIteration as end:
                return end.value
            try:
                step = functools.partial(self._steps.send, (yield waits_for))
            except BaseException as error:  # noqa: BLE001  a cancellation belongs to what is awaited
                step = functools.partial(self._steps.throw, error)


def step_through_copies() -> None:
    """Put a frame of ours around every COPY that the driver makes."""
    copy = asyncpg.Connection.copy_records_to_table

    @functools.wraps(copy)
    async def stepped(*arguments: object, **named: object) -> object:
        return await Stepped(copy(*arguments, **named))

    asyncpg.Connection.copy_records_to_table = stepped


class Sampler:
    """Counts stacks between two signals."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stacks: Counter[tuple[Place, ...]] = Counter()
        self._began = (0.0, 0.0)

    def begin(self, *_: object) -> None:
        self._began = (time.process_time(), time.perf_counter())
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def sample(self, _: int, frame: FrameType | None) -> None:
        stack: list[Place] = []
        while frame is not None:
            stack.append((frame.f_code.co_filename, frame.f_code.co_qualname))
            frame = frame.f_back
        self._stacks[tuple(stack)] += 1

    def end(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        cpu, wall = self._began
        taken = {
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.perf_counter() - wall,
            "stacks": [[list(stack), count] for stack, count in self._stacks.items()],
        }
        unfinished = self._file.with_suffix(".new")
        unfinished.write_text(json.dumps(taken))
        unfinished.rename(self._file)


if __name__ == "__main__":
    sampler = Sampler(Path(sys.argv[1]))
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.signal(signal.SIGUSR1, sampler.begin)
    signal.signal(signal.SIGUSR2, sampler.end)
    step_through_copies()
    sys.argv = ["stadsnav", "ingest"]
    main()
