"""Look after the way in: unknown devices, rejections, and the hub's own place at the broker."""

from typing import Annotated

import typer

from hub.broker.access import hash_password, new_password
from hub.commands.admin.terms import show, with_database
from hub.storage import registry, rejections
from hub.storage.pool import Db

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


@rejection.command("list")
def rejection_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="the newest so many")] = 20,
) -> None:
    """The newest rejections."""

    async def work(db: Db) -> None:
        rows = await rejections.newest(db, limit)
        show(
            ("id", "received", "connector", "topic", "reason", "readings", "detail"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


def broker_hash() -> None:
    """Make the hub's own password at a broker whose users it writes, and the hash to set.

    Put the password into STADSNAV_MQTT_URL and the hash into STADSNAV_MQTT_HUB_PASSWORD_HASH.
    """
    password = new_password()
    typer.echo(f"password  {password}")
    typer.echo(f"hash      {hash_password(password)}")
