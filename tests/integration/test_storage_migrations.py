"""Does the schema come to what this version needs, whoever starts first and whatever is killed?"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.storage import migrate as module
from hub.storage.capabilities import Capability
from hub.storage.migrate import migrate, migrated_as, migrations, pending
from hub.storage.pool import connect

FIRST_RELEASED = 7
RELEASED = Path(__file__).with_name("released_0007.sql")


async def migrating(database_url, *options):
    """Start the real command, and let its lines be read."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli", "migrate", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"STADSNAV_DATABASE_URL": database_url, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip


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


def test_every_migration_says_what_it_is_for():
    for capability in Capability:
        for migration in migrations(capability):
            assert migration.purpose.endswith("."), migration.name
            assert migration.locks, migration.name
            assert "Locks:" not in migration.purpose + migration.locks


@pytest.mark.timeout(180)
async def test_killed_after_any_migration_the_next_run_goes_on(empty_database_url):
    """One migration at a time: the process is killed as soon as it has told of one."""
    for _ in range(100):
        process = await migrating(empty_database_url)
        told = (await process.stdout.readline()).decode()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        if not told.startswith("applied"):
            break
    assert "up to date" in told
    async with connect(empty_database_url) as db:
        assert not await pending(db)
        numbers = [row["number"] for row in await db.fetch("select number from schema_migration")]
    assert sorted(numbers) == sorted(set(numbers))


async def test_the_plan_says_what_would_run_and_changes_nothing(empty_database_url):
    process = await migrating(empty_database_url, "--plan")
    told = (await process.stdout.read()).decode()
    assert await process.wait() == 0, told
    async with connect(empty_database_url) as db:
        missing = await pending(db)
        assert await migrated_as(db) is None
    for migration in missing:
        assert f"{migration.number:04} {migration.name}\n" in told
        assert migration.locks in told
    assert f"{len(missing)} would run" in told


async def test_what_the_first_released_schema_held_is_there_in_the_newest(
    empty_database_url, monkeypatch
):
    def released(capability):
        return [m for m in migrations(capability) if m.number <= FIRST_RELEASED]

    async with connect(empty_database_url) as db:
        with monkeypatch.context() as then:
            then.setattr(module, "migrations", released)
            then.setattr(module, "grant", lambda _db: asyncio.sleep(0))  # that version had none
            await migrate(db)
        await db.execute(RELEASED.read_text())
        await migrate(db)
        assert not await pending(db)
        counts = {
            table: await db.fetchval(f"select count(*) from {table}")
            for table in ("organisation", "device", "device_credential", "datastream", "reading",
                          "batch", "rejection", "feed", "agreement", "application", "api_key")
        }  # fmt: skip
        assert counts == dict.fromkeys(counts, 1) | {"organisation": 3, "reading": 2}
        held = await db.fetchrow("select device, slot, hash, expires_at from device_credential")
        assert tuple(held) == ("noise-1", 1, "$7$101$c2FsdA==$aGFzaA==", None)
        agreed = await db.fetchrow("select state, series = id as whole, version from agreement")
        assert tuple(agreed) == ("active", True, 1)
        [[mean]] = await db.fetch("select avg(value) from reading")
        assert mean == 55
