"""How do commands end? With one clear line and an exit code that scripts can read."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
import uvloop

from hub.errors import StadsnavError, StoreUnavailable

EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2
CANCEL_AGAIN_S = 5.0  # longer than any orderly end takes

Work = Callable[[], Awaitable[None]]


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Print one line to standard error and end."""
    typer.echo(f"stadsnav: {message}", err=True)
    raise typer.Exit(code)


def run(work: Work, *, fast: bool = False) -> None:
    """Run a command's work; SIGTERM and Ctrl-C cancel it, our own errors end it with one line.

    `fast` takes uvloop, which the two services live on; it cannot start processes as `up` does.
    """
    failure: str | None = None
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop if fast else None) as runner:
            runner.run(_cancellable(work))
    except* StadsnavError as group:
        failure = _told(_first(group))
    except* OSError as group:  # a folder that is missing, a port that is taken
        failure = str(_first(group))
    if failure is not None:
        fail(failure, EXIT_MISCONFIGURED)


@contextmanager
def clearly() -> Iterator[None]:
    """End with one line on our own errors and on files that cannot be read or written."""
    try:
        yield
    except (StadsnavError, OSError) as error:
        fail(_told(error), EXIT_MISCONFIGURED)


async def _cancellable(work: Work) -> None:
    task = asyncio.ensure_future(work())
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Again and again: on Python 3.11 asyncio.wait_for, which aiomqtt waits with, can swallow
        # a cancellation that meets its result.
        if not task.done():
            task.cancel()
            loop.call_later(CANCEL_AGAIN_S, stop)

    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise


def _told(error: BaseException) -> str:
    if isinstance(error, StoreUnavailable):
        return f"the database does not answer ({error}): start it, or correct STADSNAV_DATABASE_URL"
    return str(error)


def _first(error: BaseException) -> BaseException:
    """Return the first error of a tree of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
