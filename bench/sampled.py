"""Run `stadsnav ingest` and note, every few milliseconds of its own CPU time, where it is.

Used by `bench.profile`: `python -m bench.sampled FILE`. SIGUSR1 begins, SIGUSR2 ends and writes
FILE. Samples follow CPU time (ITIMER_PROF), so a process that waits is not sampled.
"""

import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from hub.cli import main

EVERY_S = 0.001  # the kernel may make it four times that

Place = tuple[str, str]  # file, function


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
    sys.argv = ["stadsnav", "ingest"]
    main()
