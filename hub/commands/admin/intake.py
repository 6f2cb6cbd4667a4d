"""Look after the way in: unknown devices, rejections, and the hub's own place at the broker."""

from typing import Annotated

import typer

from hub.broker.access import hash_password, new_password
from hub.commands.admin.terms import parse_time, progress, show, with_database
from hub.commands.ingest import examiner_of, router_of
from hub.commands.replaying import replay
from hub.domain.intake import Reason, Replayed
from hub.errors import NotFound
from hub.settings import Settings
from hub.storage import registry, rejections
from hub.storage.pool import Db
from hub.storage.rejections import Filter

connector = typer.Typer(
    no_args_is_help=True, help="What happens to devices that nobody registered."
)
rejection = typer.Typer(no_args_is_help=True, help="What could not be accepted, and why.")


@connector.command("rule")
def connector_rule(
    connector_id: Annotated[str, typer.Argument(metavar="CONNECTOR")],
    register_under: Annotated[
        str | None, typer.Option(help="take unknown devices in under this organisation")
    ] = None,
) -> None:
    """Reject what unknown devices send (the default), or register them.

    Example: stadsnav admin connector rule mqtt --register-under environment
    """

    async def work(db: Db) -> None:
        await registry.set_connector_rule(db, connector_id, register_under)
        typer.echo(
            f"connector {connector_id}: unknown devices are "
            + (f"registered under {register_under}" if register_under else "rejected")
        )

    with_database(work)


Reason_ = Annotated[Reason | None, typer.Option("--reason", help="only those for this reason")]
Connector = Annotated[str | None, typer.Option("--connector", help="only those of this connector")]
Device = Annotated[str | None, typer.Option("--device", help="only those of this device")]
Since = Annotated[str | None, typer.Option(help="arrived at this time or date, or later")]
Until = Annotated[str | None, typer.Option(help="arrived before this time or date")]


@rejection.command("list")
def rejection_list(
    reason: Reason_ = None,
    connector_id: Connector = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="the newest so many")] = 20,
) -> None:
    """Show the newest rejections.

    Example: stadsnav admin rejection list --reason unknown_device --since 2026-11-01
    """
    wanted = Filter(None, reason, connector_id, device, parse_time(since), parse_time(until))

    async def work(db: Db) -> None:
        rows = await rejections.listed(db, wanted, limit=limit)
        show(
            ("id", "received", "connector", "topic", "reason", "readings", "detail", "bytes"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


@rejection.command("show")
def rejection_show(id_: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Show one rejection with its payload, as far as it was kept."""

    async def work(db: Db) -> None:
        row = await rejections.whole(db, id_)
        if row is None:
            raise NotFound(f"there is no rejection {id_}")
        for name, value in row.items():
            shown = ascii(value) if name == "payload" else value
            typer.echo(f"{name:<14} {shown}")

    with_database(work)


@rejection.command("replay")
def rejection_replay(
    id_: Annotated[int | None, typer.Argument(metavar="[ID]", help="only this one")] = None,
    reason: Reason_ = None,
    connector_id: Connector = None,
    device: Device = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Take rejected messages in again, once their cause is mended; safe to repeat.

    They count under the connector `replay`. What is rejected again stays listed.

    Example: stadsnav admin rejection replay --reason unknown_device --device noise-9
    """
    wanted = Filter(id_, reason, connector_id, device, parse_time(since), parse_time(until))
    settings = Settings()
    examiner = examiner_of(settings.ingest, router_of(settings))

    async def work(db: Db) -> None:
        total = Replayed()
        with progress("replaying", await rejections.count(db, wanted)) as advance:
            async for step in replay(db, wanted, examiner):
                total += step
                advance(step.messages)
        typer.echo(_told(total) if total.messages else "nothing to replay")

    with_database(work)


def _told(total: Replayed) -> str:
    return (
        f"{total.messages} messages replayed: {total.stored} readings stored, "
        f"{total.duplicates} duplicates, {total.rejected} rejected again"
    )


@rejection.command("forget")
def rejection_forget(
    before: Annotated[str, typer.Option(help="delete what arrived before this time or date")],
) -> None:
    """Delete old rejections; the ledger keeps counting them.

    Example: stadsnav admin rejection forget --before 2026-01-01
    """
    time = parse_time(before)

    async def work(db: Db) -> None:
        if time is not None:
            typer.echo(f"{await rejections.forget_before(db, time)} rejections deleted")

    with_database(work)


def broker_hash() -> None:
    """Make the hub's own password at a broker whose users it writes, and the hash to set.

    Put the password into STADSNAV_MQTT_URL and the hash into STADSNAV_MQTT_HUB_PASSWORD_HASH.
    """
    password = new_password()
    typer.echo(f"password  {password}")
    typer.echo(f"hash      {hash_password(password)}")
