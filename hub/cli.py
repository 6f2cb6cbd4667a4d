"""The command line, and the one place that sees every part of the hub."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from hub.archive.layout import Root
from hub.commands import admin, auditing, connectors, simulate
from hub.commands.admin.terms import parse_time, parse_width, with_database
from hub.commands.archiving import SETTLED, archive
from hub.commands.backing_up import back_up
from hub.commands.backing_up import restore as restore_backup
from hub.commands.doctor import Verdict, examine
from hub.commands.here import DATA, settings_here
from hub.commands.ingest import run_ingest
from hub.commands.maintain import run_maintain
from hub.commands.operating import audit_ledger, show_status
from hub.commands.serve import run_api
from hub.commands.terminal import EXIT_FAILED, fail, run
from hub.commands.up import run_up
from hub.logs import configure_logging
from hub.settings import Settings
from hub.storage.migrate import Migration, pending
from hub.storage.migrate import migrate as migrate_schema
from hub.storage.pool import Db, connect

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Stadsnav: the place where a city's organisations share live sensor data.\n\n"
    "Begin with `stadsnav up`. Settings come from the environment; docs/settings.md lists them.",
)
app.add_typer(admin.app, name="admin")
app.add_typer(auditing.app, name="audit")
app.add_typer(simulate.app, name="simulate")
app.add_typer(connectors.app, name="connectors")


@app.callback(invoke_without_command=True)
def about(
    *, show_version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    configure_logging()
    if show_version:
        typer.echo(f"stadsnav {version('stadsnav')}")
        raise typer.Exit


@app.command()
def up(
    *,
    data: Annotated[
        Path, typer.Option(help="where to keep everything", envvar="STADSNAV_DATA")
    ] = DATA,
    city: Annotated[bool, typer.Option(help="register and simulate the sample city")] = True,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="how fast the city talks")] = 1.0,
    tls: Annotated[
        bool, typer.Option("--tls", help="HTTPS, and MQTT over TLS beside plain MQTT")
    ] = False,
) -> None:
    """Run everything on this machine until Ctrl-C: database, broker, ingest, API, a talking city.

    A given STADSNAV_DATABASE_URL or STADSNAV_MQTT_URL is used instead of the embedded part. A
    second start with the same --data goes on where the first ended. With --tls certificates are
    made the first time; docs/tls.md tells of them.

    Example: STADSNAV_API_PORT=8080 stadsnav up --data /srv/stadsnav
    """
    run(lambda: run_up(Settings(), data.absolute(), with_city=city, rate=rate, tls=tls))


@app.command()
def migrate(
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="only say what would run, and what each of it locks")
    ] = False,
) -> None:
    """Bring the schema of STADSNAV_DATABASE_URL up to date; safe to repeat.

    Each migration is a transaction of its own: killed in between, the next run goes on after the
    last that was applied. Several that start at once wait for each other.

    Example: STADSNAV_DATABASE_URL=postgresql://hub@db/hub stadsnav migrate --plan
    """

    async def work() -> None:
        async with connect(Settings().database_url) as db:
            if plan:
                _tell_plan(await pending(db))
                return
            capability = await migrate_schema(db, lambda name: typer.echo(f"applied {name}"))
        typer.echo(f"the schema is up to date ({capability})")

    run(work)


def _tell_plan(missing: Sequence[Migration]) -> None:
    for migration in missing:
        typer.echo(f"{migration.number:04} {migration.name}")
        typer.echo(f"     {migration.purpose}")
        typer.echo(f"     locks: {migration.locks}")
    typer.echo(f"{len(missing)} would run" if missing else "the schema is up to date")


Jobs = Annotated[int, typer.Option(min=1, max=64, help="tables at a time")]


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="a new folder; it appears when it is whole")],
    jobs: Jobs = 2,
) -> None:
    """Write everything into a folder, as of one moment, while the hub goes on.

    With pg_dump, and with counts and checksums of every table and day to compare a restored
    database with. Example: stadsnav backup /srv/backups/2026-11-23
    """

    async def work() -> None:
        made = await back_up(settings_here().database_url, folder, jobs=jobs, tell=_tell)
        rows = sum(part.rows for part in made.parts.values())
        typer.echo(f"{folder}: {rows} rows in {len(made.parts)} parts, migration {made.migration}")

    run(work)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="what `backup` wrote", exists=True)],
    jobs: Jobs = 2,
) -> None:
    """Restore a backup into the empty database of STADSNAV_DATABASE_URL, and compare.

    Ends with an error that names every table and day that is not as it was.

    Example: STADSNAV_DATABASE_URL=postgresql://hub@db/new stadsnav restore /srv/backups/2026-11-23
    """

    async def work() -> None:
        differing = await restore_backup(Settings().database_url, folder, jobs=jobs, tell=_tell)
        if differing:
            fail("the restored database differs:\n  " + "\n  ".join(differing))
        typer.echo("restored, and everything is as it was; `stadsnav migrate --plan` says if this")
        typer.echo("version needs more of the schema than the one that made the backup")

    run(work)


def _tell(what: str) -> None:
    typer.echo(f"  {what}", err=True)


@app.command()
def ingest() -> None:
    """Take readings from STADSNAV_MQTT_URL into STADSNAV_DATABASE_URL until stopped.

    Nothing is acknowledged before it is committed: stop or kill it whenever you like. Several may
    share the load: STADSNAV_MQTT_TOPIC='$share/stadsnav/v1/devices/+/readings', each with a
    STADSNAV_MQTT_CLIENT_ID of its own.
    """
    run(lambda: run_ingest(Settings()), fast=True)


@app.command()
def api() -> None:
    """Serve the API and the page on STADSNAV_API_HOST and STADSNAV_API_PORT until stopped."""
    run(lambda: run_api(Settings()), fast=True)


@app.command()
def maintain(
    *,
    once: Annotated[bool, typer.Option("--once", help="do everything once, then end")] = False,
) -> None:
    """Keep STADSNAV_DATABASE_URL in order until stopped: roll up, forget, expire.

    One at a time works, more of them wait to take its place; `up` runs one. How long history is
    kept says `stadsnav admin retention`. Kill it whenever you like.

    Example: stadsnav maintain --once
    """
    run(lambda: run_maintain(settings_here(), once=once), fast=True)


@app.command("archive")
def archive_days(
    *,
    to: Annotated[
        str | None, typer.Option(help="folder or s3://…; default STADSNAV_ARCHIVE_URI")
    ] = None,
    older_than: Annotated[
        str, typer.Option(help="leave out what is younger, for late readings: P2D")
    ] = "P2D",
    verify: Annotated[
        bool, typer.Option("--verify", help="only compare every file with its manifest")
    ] = False,
) -> None:
    """Write closed days as Parquet, by day and organisation, so that history outgrows the database.

    Run it every night, before retention takes the days away: the API with the same
    STADSNAV_ARCHIVE_URI then answers older questions from it. Repeat and interrupt it as you like;
    a day that has changed since is written again.

    Example: stadsnav archive --to /srv/stadsnav-archive
    """
    address = to or Settings().archive.uri
    if address is None:
        raise typer.BadParameter("say where: --to DIR, or STADSNAV_ARCHIVE_URI")
    settled = parse_width(older_than) or SETTLED

    async def check() -> None:
        damaged = list(Root.at(address).damaged())
        if damaged:
            fail("not as they were written:\n  " + "\n  ".join(damaged))
        typer.echo("every file is as its manifest says")

    async def write(db: Db) -> None:
        written = await archive(db, address, datetime.now(UTC), settled=settled, tell=_tell)
        typer.echo(f"{written} days written to {address}")

    if verify:
        run(check)
    else:
        with_database(write)


@app.command()
def status() -> None:
    """Show what every connector received and what became of it, and who is connected."""
    with_database(show_status)


@app.command("audit-ledger")
def audit(
    *,
    since: Annotated[str | None, typer.Option(help="time or date; default the beginning")] = None,
    until: Annotated[str | None, typer.Option(help="time or date; default now")] = None,
) -> None:
    """Prove received = stored + duplicates + rejected; ends with 1 and names the first fault.

    Example: stadsnav audit-ledger --since 2026-11-01 --until 2026-12-01
    """
    first, last = parse_time(since) or BEGINNING, parse_time(until) or datetime.now(UTC)
    with_database(lambda db: audit_ledger(db, first, last))


@app.command()
def doctor() -> None:
    """Check settings, database, capabilities, clock and broker, and say what to do about each.

    Ends with 1 if something is bad.
    """
    marks = {Verdict.GOOD: "ok  ", Verdict.LOOK: "look", Verdict.BAD: "BAD "}
    worst: list[Verdict] = []

    async def work() -> None:
        async for finding in examine():
            worst.append(finding.verdict)
            typer.echo(f"{marks[finding.verdict]}  {finding.part}: {finding.told}")
            if finding.remedy:
                typer.echo(f"      → {finding.remedy}")

    run(work)
    if Verdict.BAD in worst:
        raise typer.Exit(EXIT_FAILED)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
