"""People, their roles in organisations, and their keys."""

from collections.abc import Iterable
from datetime import datetime

import asyncpg

from hub.domain.people import Person, Role
from hub.errors import Conflict, NotFound
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_INSERT_PERSON = statement("people", "insert_person")
_SET_ROLES = statement("people", "set_roles")
_REMOVE_MEMBERSHIP = statement("people", "remove_membership")
_PEOPLE = statement("people", "people")
_INSERT_PERSON_KEY = statement("people", "insert_person_key")


async def add(db: Db, person: Person) -> None:
    if await db.fetchval(_INSERT_PERSON, person.id, person.name, person.email) is None:
        raise Conflict(f"person '{person.id}' or their e-mail address exists already")


async def set_roles(db: Db, person: str, organisation: str, roles: Iterable[Role]) -> None:
    """Give a person these roles in an organisation, instead of those they had."""
    try:
        await db.execute(_SET_ROLES, person, organisation, sorted(roles))
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no person '{person}' or organisation '{organisation}'") from error


async def remove_from(db: Db, person: str, organisation: str) -> None:
    """End what a person may do for an organisation, and their keys for it."""
    if await db.fetchval(_REMOVE_MEMBERSHIP, person, organisation) is None:
        raise NotFound(f"'{person}' has no role in '{organisation}'")


async def listed(db: Db) -> list[Record]:
    """Return id, name, email, organisation and roles; one row per membership."""
    return await db.fetch(_PEOPLE)


async def add_key(
    db: Db,
    person: str,
    organisation: str,
    *,
    prefix: str,
    key_hash: bytes,
    expires_at: datetime | None,
) -> None:
    try:
        await db.execute(_INSERT_PERSON_KEY, prefix, person, organisation, key_hash, expires_at)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"'{person}' has no role in '{organisation}'") from error
