"""Wait for children to be ready, tell what happens, and start again what ends by itself."""

import asyncio
import ssl
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from hub.embedded.process import Child
from hub.errors import ConfigurationError

READY_TIMEOUT_S = 30
RESTARTS = 5  # of one part within RESTART_WINDOW_S; then it will not get better by itself
RESTART_WINDOW_S = 60


class Console:
    """Tell what happens, one line per step, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def step(self, what: str) -> None:
        print(f"  {time.monotonic() - self._started:5.1f} s  {what}", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)


async def until_connected(ingest: Child, metrics_port: int) -> None:
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    await _until(ingest, url, "stadsnav_ingest_process_connected 1.0")


async def until_ready(api: Child, port: int, certificate: Path | None = None) -> None:
    scheme = "http" if certificate is None else "https"
    context = None if certificate is None else _trusting_only(certificate)
    await _until(api, f"{scheme}://127.0.0.1:{port}/readyz", "ready", context)


def _trusting_only(certificate: Path) -> ssl.SSLContext:
    """Trust the one that our own child serves with, whoever signed it and whatever its name is."""
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context


async def _until(
    child: Child, url: str, wanted: str, context: ssl.SSLContext | None = None
) -> None:
    """Wait until an address of a child answers with some text."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if not child.is_running:
            raise ConfigurationError(f"{child.name} ended at once: {child.last_words()}")
        if wanted in await asyncio.to_thread(_get, url, context):
            return
        await asyncio.sleep(0.1)
    raise ConfigurationError(
        f"{child.name} is not ready after {READY_TIMEOUT_S} s; its log: {child.log}"
    )


def _get(url: str, context: ssl.SSLContext | None) -> str:
    try:
        with urlopen(url, timeout=2, context=context) as response:  # noqa: S310  an address of our own
            return str(response.read().decode())
    except (URLError, OSError):
        return ""


async def supervise(children: list[Child], console: Console) -> None:
    """Start again what ends by itself; give up on a part that keeps ending."""
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(_revive(child, console), name=f"revive.{child.name}")


async def _revive(child: Child, console: Console) -> None:
    ended: list[float] = []
    while True:
        code = await child.wait()
        now = time.monotonic()
        ended = [*(t for t in ended if now - t < RESTART_WINDOW_S), now]
        if len(ended) > RESTARTS:
            raise ConfigurationError(
                f"{child.name} ended {len(ended)} times within a minute "
                f"({child.last_words()}); its log: {child.log}"
            )
        console.step(f"{child.name} ended with code {code}, starting it again")
        await asyncio.sleep(min(0.2 * 2 ** len(ended), 5))
        await child.start()
