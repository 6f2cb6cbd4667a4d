"""Can each kind of process do what it must, and nothing else? Asked of the database itself."""

from urllib.parse import urlsplit

import asyncpg
import pytest

from hub.storage.migrate import migrate
from hub.storage.pool import connect, open_store
from hub.storage.rights import Role, grant

READING = (
    "insert into reading (datastream_id, time, value, quality, received_at, batch_id)"
    " values (1, now(), 1, 0, now(), 1)"
)
DENIED = {
    Role.API: [
        "update reading set value = 0",
        "delete from reading",
        "truncate reading",
        READING,
        "insert into batch select * from batch",
        "update batch set stored = 0",
        "delete from rejection",
        "update connector set received = 0",
        "update audit_event set reason = ''",
        "delete from audit_event",
        "truncate audit_event",
        "alter table audit_event disable trigger all",
        "insert into audit_anchor values (1, 1, '{}')",
        "update audit_anchor set line = ''",
        "delete from audit_anchor",
        "delete from agreement",
        "update decision set text = ''",
        "delete from decision",
        "delete from proposal",
        "delete from platform",
        "delete from business_area",
        "delete from feed",
        "update schema_migration set checksum = ''",
        "create table mine ()",
        "drop table reading",
        "alter table reading disable trigger all",
    ],
    Role.INGEST: [
        "select * from agreement",
        "select * from feed",
        "select * from api_key",
        "select * from application",
        "select * from person",
        "select * from idempotency",
        "delete from reading",
        "truncate reading",
        "update batch set stored = 0",
        "delete from batch",
        "update audit_event set reason = ''",
        "delete from audit_event",
        "insert into organisation (id, name) values ('mine', 'Mine')",
        "update device_credential set hash = ''",
        "insert into device_credential (device, hash) values ('noise-1', 'x')",
        "delete from device",
        "create table mine ()",
    ],
}
ALLOWED = {
    Role.API: [
        "select * from reading",
        "select * from agreement",
        "update feed set title = title",
        "update proposal set state = state",
        "delete from business_area_feed",
    ],
    Role.INGEST: [READING, "select * from device", "update reading set value = value"],
}


def each(table):
    return [
        pytest.param(role, statement, id=f"{role}: {statement[:40]}")
        for role, statements in table.items()
        for statement in statements
    ]


@pytest.mark.parametrize(("role", "statement"), each(DENIED))
async def test_what_a_process_does_not_need_it_cannot_do(database_url, city, role, statement):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with open_store(database_url, role=role) as store, store.connection() as db:
            await db.execute(statement)


@pytest.mark.parametrize(("role", "statement"), each(ALLOWED))
async def test_what_it_needs_it_can_do(database_url, city, role, statement):
    async with open_store(database_url, role=role) as store, store.connection() as db:
        await db.execute(statement)


@pytest.mark.parametrize("role", Role)
async def test_a_connection_keeps_its_role_when_it_is_lent_again(database_url, role):
    async with open_store(database_url, size=1, role=role) as store:
        for _ in range(3):
            async with store.connection() as db:
                assert await db.fetchval("select current_user") == role
                await db.execute("set timezone = 'Europe/Stockholm'")  # is reset in between


async def test_who_may_not_make_roles_migrates_all_the_same(server_url, empty_database_url):
    """A managed database may give no right to make roles; ours exist already on this server."""
    name = urlsplit(empty_database_url).path.removeprefix("/")
    async with connect(server_url) as db:
        await db.execute("drop role if exists stadsnav_test_owner")
        await db.execute("create role stadsnav_test_owner login")
        await db.execute(f'alter database "{name}" owner to stadsnav_test_owner')
    try:
        async with connect(empty_database_url) as db:
            await db.execute("grant create on schema public to stadsnav_test_owner")
            await db.execute("set role stadsnav_test_owner")
            assert await grant_is_possible(db)
    finally:
        async with connect(empty_database_url) as db:
            await db.execute("drop owned by stadsnav_test_owner")
        async with connect(server_url) as db:
            await db.execute(f'alter database "{name}" owner to current_user')
            await db.execute("drop role stadsnav_test_owner")


async def grant_is_possible(db):
    """Migrate, and tell whether rights were granted: of its own tables one may give them."""
    await migrate(db)
    return await grant(db)
