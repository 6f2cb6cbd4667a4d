"""Run a private child process that never outlives us."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(death_signal: signal.Signals) -> None:
    """Ask the kernel to signal this process when its parent ends; runs in the new child.

    Without it, a supervisor that is killed outright would leave its children behind.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal)


class Child:
    """A process of ours: started, watched, and stopped by its own id."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        *,
        env: dict[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._env = env
        self._stop_signal = stop_signal
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start in a session of its own, so that the terminal's Ctrl-C reaches only the parent."""
        stop_signal = self._stop_signal
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._env} if self._env else None,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(stop_signal),
            )

    async def wait(self) -> int:
        """Wait until it ends; return its exit code."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return await self._process.wait()

    def signal(self, which: signal.Signals) -> None:
        """Signal the process if it still runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(which)

    async def stop(self, patience_s: float = 2.0) -> None:
        """Ask it to stop; insist after `patience_s`."""
        if not self.is_running:
            return
        self.signal(self._stop_signal)
        try:
            async with asyncio.timeout(patience_s):
                await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()

    def last_words(self, lines: int = 3) -> str:
        """Return the end of its log, which usually says why it ended."""
        try:
            text = self.log.read_text("utf-8", "replace")
        except OSError:
            return ""
        return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
