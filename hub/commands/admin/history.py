"""Say how long history is kept, of each observed property and in each class."""

from datetime import timedelta
from typing import Annotated

import typer

from hub.commands.admin.terms import operator, show, with_database
from hub.domain.durations import format_duration, parse_duration
from hub.domain.retention import FOR_EVER, Kept, Retention, check
from hub.errors import BadRequest
from hub.storage import retention
from hub.storage.pool import Db

FOREVER = "forever"
LONGEST = timedelta(days=36_500)

app = typer.Typer(
    no_args_is_help=True,
    help="How long history is kept: the readings, and what is rolled up by minute, hour and day.",
)


def _length(text: str | None) -> timedelta | str | None:
    if text is None or text == FOREVER:
        return text
    try:
        return parse_duration(text, LONGEST)
    except ValueError as error:
        raise typer.BadParameter(f"{error}, or {FOREVER}") from error


def _option(what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        help=f"{what}: P30D, P730D or {FOREVER}; unset: as it was", metavar="DURATION"
    )
    return option


Property = Annotated[
    str | None, typer.Argument(metavar="[PROPERTY]", help="default: all that have no own rule")
]


@app.command("set")
def retention_set(
    observed: Property = None,
    raw: Annotated[str | None, _option("the readings")] = None,
    minute: Annotated[str | None, _option("roll-ups by the minute")] = None,
    hour: Annotated[str | None, _option("roll-ups by the hour")] = None,
    day: Annotated[str | None, _option("roll-ups by the day")] = None,
) -> None:
    """Set how long a class of history is kept; `stadsnav maintain` then ends it in time.

    What is coarser is kept at least as long as what is finer. Nothing is deleted before it has been
    rolled up.

    Example: stadsnav admin retention set laeq --raw P30D --minute P365D
    """
    asked = {Kept.RAW: raw, Kept.MINUTE: minute, Kept.HOUR: hour, Kept.DAY: day}
    lengths = {kept: _length(text) for kept, text in asked.items()}

    async def work(db: Db) -> None:
        async with db.transaction():
            before = (await retention.rules(db)).get(observed, FOR_EVER)
            changed = {kept: _changed(lengths[kept], before[kept]) for kept in Kept}
            try:
                check(changed)
            except ValueError as error:
                raise BadRequest(str(error)) from error
            await retention.set_rule(db, observed, changed)
            subject = f"retention/{observed or '*'}"
            await operator(db, "retention.set", subject, **_told(changed))
        typer.echo(f"{observed or 'all others'}: {_sentence(changed)}")

    with_database(work)


@app.command("unset")
def retention_unset(observed: Property = None) -> None:
    """Remove a rule: the property is kept like all others, all others for ever."""

    async def work(db: Db) -> None:
        async with db.transaction():
            await retention.unset_rule(db, observed)
            await operator(db, "retention.unset", f"retention/{observed or '*'}")
        typer.echo(f"{observed or 'all others'}: no rule")

    with_database(work)


@app.command("show")
def retention_show() -> None:
    """Show what is kept how long, and since when it is there."""

    async def work(db: Db) -> None:
        own = await retention.rules(db)
        rows = [
            (
                rule.property,
                rule.kept,
                _written(rule.length),
                "" if rule.since is None else f"{rule.since:%Y-%m-%d %H:%M}Z",
                "own" if rule.property in own else "as all others",
            )
            for rule in await retention.rule_of_each(db)
        ]
        show(("property", "class", "kept", "since", "rule"), rows)

    with_database(work)


def _changed(asked: timedelta | str | None, before: timedelta | None) -> timedelta | None:
    if isinstance(asked, timedelta):
        return asked
    return before if asked is None else None


def _written(length: timedelta | None) -> str:
    return FOREVER if length is None else format_duration(length)


def _told(retention_: Retention) -> dict[str, object]:
    return {kept.value: _written(length) for kept, length in retention_.items()}


def _sentence(retention_: Retention) -> str:
    return ", ".join(f"{kept} {_written(length)}" for kept, length in retention_.items())
