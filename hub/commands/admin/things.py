"""Register whose devices there are and what is measured: organisations, observed properties."""

from typing import Annotated

import typer

from hub.commands.admin.terms import Slug, show, with_database
from hub.domain.sensing import ObservedProperty, ResultKind
from hub.storage import registry
from hub.storage.pool import Db

organisation = typer.Typer(no_args_is_help=True, help="Administrations, companies, the region.")
observed = typer.Typer(
    no_args_is_help=True, help="Observed properties: what is measured, in which unit."
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
