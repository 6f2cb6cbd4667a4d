"""Look after the way in: unknown devices, rejections, and the hub's own place at the broker."""

from functools import partial
from typing import Annotated

import typer

from connectors import native
from hub.broker.access import hash_password, new_password
from hub.commands.admin.terms import parse_time, show, with_database
from hub.commands.ingest import clock_of, limits_of
from hub.commands.replaying import Replayed, replay
from hub.domain.intake import Reason
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
    wanted = Filter(reason, connector_id, device, parse_time(since), parse_time(until))

    async def work(db: Db) -> None:
        rows = await rejections.listed(db, wanted, limit=limit)
        show(
            ("id", "received", "connector", "topic", "reason", "readings", "detail", "bytes"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


@rejection.command("replay")
def rejection_replay(
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
    wanted = Filter(reason, connector_id, device, parse_time(since), parse_time(until))
    settings = Settings().ingest
    decode = partial(native.decode, limits=limits_of(settings))

    async def work(db: Db) -> None:
        done = await replay(
            db, wanted, decode, clock_of(settings), lambda so_far: typer.echo(_told(so_far))
        )
        if not done.messages:
            typer.echo("nothing to replay")

    with_database(work)


def _told(so_far: Replayed) -> str:
    return (
        f"{so_far.messages} messages replayed: {so_far.stored} readings stored, "
        f"{so_far.duplicates} duplicates, {so_far.rejected} rejected again"
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
