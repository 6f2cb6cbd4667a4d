"""Does the schema come to what this version needs, whoever starts first and whatever is killed?"""

import asyncio

import pytest

from hub.errors import ConfigurationError
from hub.storage import migrate as module
from hub.storage.capabilities import Capability
from hub.storage.migrate import migrate, migrations, pending
from hub.storage.pool import connect


async def test_a_fresh_database_is_migrated_and_a_second_time_nothing_is_left(empty_database_url):
    told = []
    async with connect(empty_database_url) as db:
        assert await pending(db)
        capability = await migrate(db, told.append)
        assert len(told) == len(migrations(capability))
        assert not await pending(db)
        await migrate(db, told.append)
        assert len(told) == len(migrations(capability))


async def test_two_that_start_at_once_do_not_disturb_each_other(empty_database_url):
    async def run():
        async with connect(empty_database_url) as db:
            await migrate(db)

    await asyncio.gather(run(), run(), run())
    async with connect(empty_database_url) as db:
        assert not await pending(db)


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_database_url, monkeypatch):
    every = frozenset(Capability)
    broken = module.Migration(99, "broken", every, "create table half (); select 1/0;")
    monkeypatch.setattr(module, "migrations", lambda capability: [*migrations(capability), broken])
    async with connect(empty_database_url) as db:
        with pytest.raises(Exception, match="division"):
            await migrate(db)
    async with connect(empty_database_url) as db:
        assert await db.fetchval("select to_regclass('half')") is None
        assert [m.number for m in await pending(db)] == [99]


async def test_an_edited_migration_is_refused(database_url):
    async with connect(database_url) as db:
        await db.execute("update schema_migration set checksum = 'x' where number = 1")
        with pytest.raises(ConfigurationError, match="0001 registry"):
            await migrate(db)


async def test_a_newer_schema_is_refused(database_url):
    async with connect(database_url) as db:
        await db.execute(
            "insert into schema_migration (number, name, checksum, capability) "
            "select 9999, 'future', 'x', capability from schema_migration limit 1"
        )
        with pytest.raises(ConfigurationError, match="newer Stadsnav"):
            await pending(db)


@pytest.mark.parametrize("capability", Capability)
def test_every_capability_has_the_same_numbers_or_says_what_it_lacks(capability):
    numbers = [m.number for m in migrations(capability)]
    assert numbers == sorted(set(numbers))
    lacking = {m.number for m in migrations(Capability.COMMUNITY)} - set(numbers)
    assert lacking == ({3} if capability is Capability.PLAIN else set())


def test_every_migration_says_what_it_locks():
    for capability in Capability:
        for migration in migrations(capability):
            assert "\n-- Locks: " in migration.script, migration.name
