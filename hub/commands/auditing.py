"""Who did what, when and why: show it, prove it, and tell the outside how it stands."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.admin.terms import progress, show, with_database
from hub.commands.anchoring import anchor_outside, anchors_outside
from hub.commands.here import settings_here
from hub.commands.maintain import outside_of
from hub.commands.outside import Outside, outside_at
from hub.commands.terminal import fail
from hub.errors import NotFound
from hub.storage import audit
from hub.storage.pool import Db

app = typer.Typer(
    no_args_is_help=True, help="Who did what, when and why; hash-chained, anchored outside."
)

Place = Annotated[
    str | None,
    typer.Option("--anchors", help="file or https://…; default STADSNAV_AUDIT_ANCHORS"),
]


@app.command("list")
def audit_list(
    organisation: Annotated[
        str | None, typer.Option(help="only what concerns this organisation")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="only this: agreement/12")] = None,
    action: Annotated[str | None, typer.Option(help="only this: feed.read")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="the newest so many")] = 20,
) -> None:
    """Show what was done, newest first."""

    async def work(db: Db) -> None:
        rows = await audit.seen_by(
            db, organisation, subject=subject, action=action, before=2**62, limit=limit
        )
        show(
            ("position", "at", "actor", "for", "action", "subject", "reason", "decision", "detail"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


@app.command("verify")
def audit_verify(
    head: Annotated[
        str | None, typer.Option(help="position:hash, as an earlier verify printed it")
    ] = None,
    anchors: Place = None,
) -> None:
    """Prove that no event was altered, removed, put in or moved; ends with 1 and names the first.

    Compared with the anchors outside it also proves that the chain was not cut off, or replaced by
    another. A printed head that you wrote down elsewhere does the same with --head.

    Example: stadsnav audit verify --anchors /mnt/write-once/stadsnav-anchors
    """
    expected = _parse_head(head) if head else None

    async def work(db: Db) -> None:
        outside = _outside(anchors)
        found = [] if outside is None else await anchors_outside(db, outside)
        with progress("verifying", (await audit.newest(db))[0]) as advance:
            verified = await audit.verify(db, expected, advance, anchors=found)
        if verified.fault is not None:
            fail(f"the audit does not hold: {verified.fault.what}")
        typer.echo(f"{verified.events} events hold; head {verified.events}:{verified.hash.hex()}")
        if outside is None:
            typer.echo("not compared with anything outside: set STADSNAV_AUDIT_ANCHORS")
        else:
            covered = found[-1].last if found else 0
            typer.echo(f"{len(found)} anchors outside fit; they cover the first {covered} events")

    with_database(work)


@app.command("anchor")
def audit_anchor(anchors: Place = None) -> None:
    """Write outside how the audit stands: who changes it later is found out by `verify`.

    To a file that is only added to, or below a URL (PUT, once each). `stadsnav maintain` does it
    every hour where STADSNAV_AUDIT_ANCHORS is set.

    Example: stadsnav audit anchor --anchors https://archive.example.org/stadsnav
    """

    async def work(db: Db) -> None:
        outside = _outside(anchors)
        if outside is None:
            raise typer.BadParameter("say where: --anchors FILE, or STADSNAV_AUDIT_ANCHORS")
        written, newest = await anchor_outside(db, outside, datetime.now(UTC))
        if newest is None:
            typer.echo("nothing was ever done here: there is nothing to anchor")
        else:
            typer.echo(f"{written} anchors written; the newest is {newest.line}")

    with_database(work)


@app.command("prove")
def audit_prove(
    position: Annotated[int, typer.Argument(min=1, help="of the event, see list")],
    to: Annotated[Path | None, typer.Option(help="a file; default standard output")] = None,
) -> None:
    """Write what proves that one event is in the audit, to somebody who has the anchors.

    docs/examples/audit_proof.py checks it, without the hub.

    Example: stadsnav audit prove 4711 --to proof.json
    """

    async def work(db: Db) -> None:
        found = await audit.one(db, position)
        if found is None:
            raise NotFound(f"there is no event {position}")
        told = json.dumps(await audit.prove(db, found), indent=2, ensure_ascii=False)
        if to is None:
            typer.echo(told)
        else:
            to.write_text(f"{told}\n", "utf-8")

    with_database(work)


def _outside(anchors: str | None) -> Outside | None:
    """Return the place that was named, else that of the settings; the token is theirs."""
    settings = settings_here().audit
    if anchors is None:
        return outside_of(settings)
    token = settings.anchors_token
    return outside_at(anchors, token.get_secret_value() if token else None)


def _parse_head(text: str) -> tuple[int, bytes]:
    position, _, digest = text.partition(":")
    try:
        return int(position), bytes.fromhex(digest)
    except ValueError as error:
        raise typer.BadParameter("write it as position:hash, as verify prints it") from error
