"""People who act for organisations, and the record of what everybody did."""

from typing import Annotated

import typer

from hub.commands.admin.terms import Slug, operator, parse_time, progress, show, with_database
from hub.commands.terminal import fail
from hub.domain.people import Person, Role
from hub.sharing.keys import new_key
from hub.storage import audit, people
from hub.storage.pool import Db

person = typer.Typer(no_args_is_help=True, help="People, their roles and their keys.")
audited = typer.Typer(no_args_is_help=True, help="Who did what, when and why; hash-chained.")

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


@audited.command("list")
def audit_list(
    organisation: Annotated[
        str | None, typer.Option(help="only what concerns this organisation")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="only this: agreement/12")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="the newest so many")] = 20,
) -> None:
    """Show what was done, newest first."""

    async def work(db: Db) -> None:
        rows = await audit.seen_by(db, organisation, subject=subject, before=2**62, limit=limit)
        show(
            ("position", "at", "actor", "for", "action", "subject", "reason", "decision", "detail"),
            [tuple(row.values()) for row in rows],
        )

    with_database(work)


@audited.command("verify")
def audit_verify(
    head: Annotated[
        str | None, typer.Option(help="position:hash, as an earlier verify printed it")
    ] = None,
) -> None:
    """Prove that nothing was changed, left out or put in between; ends with 1 if something was.

    Write the printed head down outside the hub: with --head a later verify also proves that the
    chain as it was then is still the beginning of the chain.
    """

    async def work(db: Db) -> None:
        expected = _parse_head(head) if head else None
        with progress("verifying", (await audit.newest(db))[0]) as advance:
            proved = await audit.verify(db, expected, advance)
        if proved.fault is not None:
            fail(f"the audit does not hold from event {proved.fault} on")
        typer.echo(f"{proved.events} events hold; head {proved.events}:{proved.hash.hex()}")

    with_database(work)


def _parse_head(text: str) -> tuple[int, bytes]:
    position, _, digest = text.partition(":")
    try:
        return int(position), bytes.fromhex(digest)
    except ValueError as error:
        raise typer.BadParameter("write it as position:hash, as verify prints it") from error
