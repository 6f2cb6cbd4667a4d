"""Each kind of process has the rights that it needs: roles, taken on by its connections."""

from enum import StrEnum
from pathlib import Path
from typing import Protocol

import asyncpg

_GRANTS = Path(__file__).with_name("rights.sql")

# Roles belong to the whole server, so another hub there may have made them a moment ago.
_CREATE = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{role}') then
        create role {role} nologin;
    end if;
exception when duplicate_object or unique_violation then null;
end $$
"""
# Who made a role may give it away, but is not in it yet (PostgreSQL 16).
_JOIN = """
do $$ begin
    if not pg_has_role(current_user, '{role}', 'member') then
        execute format('grant {role} to %I', current_user);
    end if;
exception when unique_violation then null;
end $$
"""
_EXISTS = "select count(*) = 2 from pg_roles where rolname in ('stadsnav_ingest', 'stadsnav_api')"
_TAKE_ON = """
select set_config('role', rolname, false) from pg_roles
where rolname = $1 and pg_has_role(current_user, oid, 'member')
"""


class Role(StrEnum):
    """What a process may do with the store."""

    INGEST = "stadsnav_ingest"
    API = "stadsnav_api"


class _Connection(Protocol):
    async def execute(self, query: str, *args: object) -> str: ...
    async def fetchval(self, query: str, *args: object) -> object: ...


async def grant(db: _Connection) -> bool:
    """Make the roles where there are none and give each its rights; tell whether that could be.

    It is not where the one who migrates may not make roles and nobody else has: then every process
    has all the rights of the user in its URL.
    """
    try:
        for role in Role:
            await db.execute(_CREATE.format(role=role))
            await db.execute(_JOIN.format(role=role))
    except asyncpg.InsufficientPrivilegeError:
        if not await db.fetchval(_EXISTS):
            return False
    await db.execute(_GRANTS.read_text("utf-8"))
    return True


async def take_on(db: _Connection, role: Role) -> None:
    """Give up all rights but those of a role, for as long as the connection lasts.

    Without effect where the role does not exist, or the user may not take it on.
    """
    await db.fetchval(_TAKE_ON, role)
