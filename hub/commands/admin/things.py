"""Register what is sensed and by whom: organisations, observed properties, devices."""

from enum import StrEnum
from typing import Annotated

import typer

from hub.broker.access import hash_password, new_password
from hub.commands.admin.terms import Slug, parse_position, show, with_database
from hub.domain.sensing import ConflictRule, Device, DeviceState, ObservedProperty, ResultKind
from hub.storage import registry
from hub.storage.pool import Db


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


organisation = typer.Typer(no_args_is_help=True, help="Administrations, companies, the region.")
observed = typer.Typer(
    no_args_is_help=True, help="Observed properties: what is measured, in which unit."
)
device = typer.Typer(
    no_args_is_help=True, help="Devices, their datastreams and their passwords at the broker."
)


@organisation.command("create")
def organisation_create(
    id_: Slug, name: Annotated[str, typer.Option(help="as people call it")]
) -> None:
    """Add an organisation.

    Example: stadsnav admin organisation create traffic --name 'Traffic Administration'
    """

    async def work(db: Db) -> None:
        await registry.add_organisation(db, id_, name)
        typer.echo(f"organisation {id_}")

    with_database(work)


@organisation.command("list")
def organisation_list() -> None:
    """Every organisation, with how much it has."""

    async def work(db: Db) -> None:
        rows = await registry.organisations(db)
        show(("id", "name", "devices", "feeds"), [tuple(row.values()) for row in rows])

    with_database(work)


@observed.command("create")
def property_create(
    id_: Slug,
    name: Annotated[str, typer.Option(help="as people call it")],
    unit: Annotated[str, typer.Option(help="UCUM code, such as Cel, ug/m3, %")],
    definition: Annotated[str | None, typer.Option(help="URI that defines it")] = None,
    kind: Annotated[
        ResultKind, typer.Option(help="is a result a number or a text?")
    ] = ResultKind.NUMBER,
    low: Annotated[float | None, typer.Option(help="plausible from; below is flagged")] = None,
    high: Annotated[float | None, typer.Option(help="plausible to; above is flagged")] = None,
) -> None:
    """Add what devices may measure.

    Example: stadsnav admin property create no2 --name 'Nitrogen dioxide' --unit ug/m3 --low 0
    """
    if low is not None and high is not None and low > high:
        raise typer.BadParameter(f"--low ({low:g}) must not exceed --high ({high:g})")

    async def work(db: Db) -> None:
        await registry.add_property(
            db, ObservedProperty(id_, name, unit, definition, kind, low, high)
        )
        typer.echo(f"property {id_}")

    with_database(work)


@observed.command("list")
def property_list() -> None:
    """Every observed property, with unit and plausible range."""

    async def work(db: Db) -> None:
        rows = await registry.properties(db)
        show(
            ("id", "name", "unit", "definition", "kind", "low", "high"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


@device.command("create")
def device_create(
    id_: Slug,
    owner: Annotated[str, typer.Option("--organisation", help="whose device it is")],
    observes: Annotated[list[str], typer.Option("--property", help="what it reports; repeat")],
    kind: Annotated[str, typer.Option(help="such as noise or weather")] = "sensor",
    name: Annotated[str | None, typer.Option(help="as people call it")] = None,
    position: Annotated[str | None, typer.Option(help="longitude,latitude")] = None,
    moving: Annotated[bool, typer.Option(help="it sends its position with its readings")] = False,
    on_conflict: Annotated[
        ConflictRule, typer.Option(help="a different value for a stored time")
    ] = ConflictRule.KEEP,
) -> None:
    """Register a device and print its password at the broker, this once.

    Example: stadsnav admin device create noise-9 --organisation environment --property laeq
    """
    new = Device(id_, owner, kind, name or id_, parse_position(position), moving)
    password = new_password()

    async def work(db: Db) -> None:
        await registry.add_device(
            db,
            new,
            observes,
            password_hash=hash_password(password),
            on_conflict=on_conflict,
        )
        _tell_password(id_, password)

    with_database(work)


def _tell_password(device_id: str, password: str) -> None:
    typer.echo(f"device    {device_id}")
    typer.echo(f"password  {password}   (shown this once)")
    typer.echo(f"topic     v1/devices/{device_id}/readings")


@device.command("list")
def device_list(
    owner: Annotated[str | None, typer.Option("--organisation", help="only this one's")] = None,
) -> None:
    """Devices, with what they report."""

    async def work(db: Db) -> None:
        rows = await registry.devices(db, owner)
        show(
            ("id", "organisation", "kind", "name", "state", "moving", "reports"),
            [(*tuple(row.values())[:-1], ", ".join(row["properties"])) for row in rows],
        )

    with_database(work)


@device.command("password")
def device_password(id_: Slug) -> None:
    """Give a device a new password; the old one ends at once."""
    password = new_password()

    async def work(db: Db) -> None:
        await registry.set_credential(db, id_, hash_password(password))
        _tell_password(id_, password)

    with_database(work)


@device.command("receipts")
def device_receipts(
    id_: Slug, wanted: Annotated[Switch, typer.Argument(help="on or off", metavar="ON|OFF")]
) -> None:
    """Tell a device what became of each message, on v1/devices/ID/receipts, once it is committed.

    For devices that keep a message until its receipt has come, so that not even a broker that is
    killed can lose it. See docs/operations.md.
    """

    async def work(db: Db) -> None:
        await registry.set_receipts(db, id_, wanted=wanted is Switch.ON)
        typer.echo(f"device {id_}: receipts are {wanted}")

    with_database(work)


@device.command("state")
def device_state(
    id_: Slug, state: Annotated[DeviceState, typer.Argument(help="its new state")]
) -> None:
    """Set a device's state; quarantined and decommissioned ones may not publish."""

    async def work(db: Db) -> None:
        await registry.set_device_state(db, id_, state)
        typer.echo(f"device {id_} is {state}")

    with_database(work)
