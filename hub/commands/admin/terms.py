"""How are ids, times, places and durations written on the command line, and rows shown?"""

import getpass
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from hub.commands.here import settings_here
from hub.commands.terminal import run
from hub.domain.audit import Event, detail
from hub.domain.durations import parse_duration
from hub.domain.identity import PUBLIC, slug
from hub.domain.people import Actor
from hub.domain.sensing import Position
from hub.storage import audit
from hub.storage.pool import Db, connect

WHOLE = 10_000  # columns


def with_database(work: Callable[[Db], Awaitable[None]]) -> None:
    """Run a command's work with a connection to the hub's database."""

    async def connected() -> None:
        async with connect(settings_here().database_url) as db:
            await work(db)

    run(connected)


def parse_slug(name: str) -> str:
    try:
        return slug(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_width(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 time or date") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def parse_position(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter("write it as longitude,latitude: 17.95,59.45") from error
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):  # noqa: PLR2004  degrees
        raise typer.BadParameter("longitude is -180 to 180, latitude -90 to 90, in this order")
    return Position(lon, lat)


def names_of(values: Sequence[str] | None) -> frozenset[str] | None:
    return frozenset(values) if values else None


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a long piece of work is, on standard error; yield what advances it."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=total)
        yield lambda step: bar.advance(task, step)


def operating() -> Actor:
    """Return who works here: somebody with access to the machine, for no organisation."""
    return Actor(f"operator:{getpass.getuser()}", None)


async def operator(
    db: Db, action: str, subject: str, *organisations: str, **members: object
) -> None:
    """Record what somebody with access to the machine did; call it last in the transaction."""
    event = Event(
        operating().id, None, action, subject,
        frozenset(organisations) - {PUBLIC}, datetime.now(UTC), detail=detail(**members),
    )  # fmt: skip
    await audit.append(db, event)


def show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table: within the terminal's width, or whole where a program reads it."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else WHOLE).print(table)


Slug = Annotated[str, typer.Argument(callback=parse_slug, help="lower-case id, unique in the hub")]
