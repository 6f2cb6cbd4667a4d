"""People who act for organisations."""

from typing import Annotated

import typer

from hub.commands.admin.terms import Slug, operator, parse_time, show, with_database
from hub.domain.people import Person, Role
from hub.sharing.keys import new_key
from hub.storage import people
from hub.storage.pool import Db

person = typer.Typer(no_args_is_help=True, help="People, their roles and their keys.")

Organisation = Annotated[str, typer.Option("--organisation", help="for which they act")]


@person.command("create")
def person_create(
    id_: Slug,
    name: Annotated[str, typer.Option(help="as people call them")],
    email: Annotated[str | None, typer.Option(help="where reminders go")] = None,
) -> None:
    """Add a person, who may do nothing yet.

    Example: stadsnav admin person create anna --name 'Anna Lind' --email anna@example.org
    """

    async def work(db: Db) -> None:
        async with db.transaction():
            await people.add(db, Person(id_, name, email))
            await operator(db, "person.create", f"person/{id_}", name=name)
        typer.echo(f"person {id_}: now `stadsnav admin person role {id_}`")

    with_database(work)


@person.command("role")
def person_role(
    id_: Slug,
    organisation: Organisation,
    roles: Annotated[
        list[Role] | None, typer.Option("--role", help="repeat; none ends all")
    ] = None,
) -> None:
    """Give a person roles in an organisation, instead of those they had there.

    Example: stadsnav admin person role anna --organisation environment --role data-officer
    """

    async def work(db: Db) -> None:
        async with db.transaction():
            if roles:
                await people.set_roles(db, id_, organisation, roles)
            else:
                await people.remove_from(db, id_, organisation)
            told = sorted(roles or [])
            await operator(db, "person.role", f"person/{id_}", organisation, roles=told)
        typer.echo(f"person {id_} in {organisation}: {', '.join(told) or 'nothing any more'}")

    with_database(work)


@person.command("key")
def person_key(
    id_: Slug,
    organisation: Organisation,
    expires: Annotated[str | None, typer.Option(help="a time or date; default never")] = None,
) -> None:
    """Make a key with which a person acts for an organisation, and print it, this once."""
    fresh, expires_at = new_key(), parse_time(expires)

    async def work(db: Db) -> None:
        async with db.transaction():
            await people.add_key(
                db, id_, organisation, prefix=fresh.prefix, key_hash=fresh.hash,
                expires_at=expires_at,
            )  # fmt: skip
            await operator(db, "key.create", f"key/{fresh.prefix}", organisation, person=id_)
        typer.echo(f"{fresh.key}   (shown this once)")

    with_database(work)


@person.command("list")
def person_list() -> None:
    """Everybody, with their roles."""

    async def work(db: Db) -> None:
        rows = await people.listed(db)
        show(
            ("id", "name", "e-mail", "organisation", "roles"),
            [(*tuple(row.values())[:-1], ", ".join(row["roles"] or [])) for row in rows],
        )

    with_database(work)
