"""Does a restored database hold what was backed up, and is it noticed when it does not?"""

import json
import stat
from datetime import timedelta

import pytest

from hub.commands.backing_up import MANIFEST, BackupFailed, back_up, restore
from hub.storage import inventory
from hub.storage.migrate import pending
from hub.storage.pool import connect

pytestmark = pytest.mark.timeout(120)


def quiet(_what):
    pass


@pytest.fixture
async def filled(db, city, make):
    """A hub with readings of several days, and everything else that a hub has."""
    stream = city.streams["noise-1", "laeq"]
    readings = [
        make.reading(stream, make.noon + timedelta(hours=hour), float(hour)) for hour in range(96)
    ]
    await make.store_readings(db, *readings)
    return stream


async def test_what_was_backed_up_is_restored_and_compared(
    filled, database_url, empty_database_url, tmp_path
):
    folder, told = tmp_path / "backups" / "one", []
    made = await back_up(database_url, folder, jobs=2, tell=told.append)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    days = [name for name in made.parts if name.startswith("reading 2026")]
    assert len(days) == 5
    assert sum(made.parts[day].rows for day in days) == 96
    assert made.parts["device"].rows == 5
    assert any("reading" in what for what in told)  # tables are told as they come
    assert await restore(empty_database_url, folder, jobs=2, tell=quiet) == []
    async with connect(empty_database_url) as db:
        assert not await pending(db)
        assert await db.fetchval("select count(*) from reading") == 96


async def test_a_backup_is_of_one_moment(filled, db, database_url, tmp_path, make):
    """What is committed while it is written is not in it, neither dumped nor counted."""
    stored = False

    def store_meanwhile(what):
        nonlocal stored
        stored = stored or what == "dumping"

    made = await back_up(database_url, tmp_path / "one", jobs=1, tell=store_meanwhile)
    await make.store_readings(db, make.reading(filled, make.noon + timedelta(days=9)))
    assert stored
    assert sum(p.rows for name, p in made.parts.items() if name.startswith("reading 2026")) == 96


async def test_the_comparison_names_what_differs(
    filled, database_url, empty_database_url, tmp_path
):
    await back_up(database_url, tmp_path / "one", jobs=2, tell=quiet)
    await restore(empty_database_url, tmp_path / "one", jobs=2, tell=quiet)
    async with connect(database_url) as was, connect(empty_database_url) as now:
        before = await inventory.take(was)
        await now.execute("update reading set value = value + 1 where time::date = '2026-11-21'")
        await now.execute("delete from reading where time::date = '2026-11-22'")
        await now.execute("delete from reading where time = '2026-11-20 12:00Z'")
        await now.execute("update device set name = 'another' where id = 'noise-1'")
        found = {
            line
            for line in inventory.differences(before, await inventory.take(now))
            if not line.startswith("reading_")  # the roll-ups follow
        }
    assert found == {
        "reading 2026-11-20 had 12 rows, has 11",
        "reading 2026-11-21 holds other values in its 24 rows",
        "reading 2026-11-22 is missing",
        "device holds other values in its 5 rows",
    }


async def test_a_damaged_or_unfinished_backup_is_refused(
    filled, database_url, empty_database_url, tmp_path
):
    folder = tmp_path / "one"
    await back_up(database_url, folder, jobs=2, tell=quiet)
    largest = max((folder / "database").iterdir(), key=lambda path: path.stat().st_size)
    whole = largest.read_bytes()
    largest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BackupFailed, match="damaged"):
        await restore(empty_database_url, folder, jobs=2, tell=quiet)
    largest.unlink()
    with pytest.raises(BackupFailed, match="missing"):
        await restore(empty_database_url, folder, jobs=2, tell=quiet)
    (folder / MANIFEST).unlink()
    with pytest.raises(BackupFailed, match="no finished backup"):
        await restore(empty_database_url, folder, jobs=2, tell=quiet)


async def test_nothing_is_written_over(filled, database_url, tmp_path):
    folder = tmp_path / "one"
    await back_up(database_url, folder, jobs=1, tell=quiet)
    with pytest.raises(BackupFailed, match="exists already"):
        await back_up(database_url, folder, jobs=1, tell=quiet)
    with pytest.raises(BackupFailed, match="not empty"):
        await restore(database_url, folder, jobs=1, tell=quiet)


async def test_a_backup_that_fails_leaves_nothing_behind(empty_database_url, tmp_path):
    with pytest.raises(BackupFailed, match="no Stadsnav"):
        await back_up(empty_database_url, tmp_path / "one", jobs=1, tell=quiet)
    assert list(tmp_path.iterdir()) == []


async def test_the_manifest_says_by_what_it_can_be_restored(filled, database_url, tmp_path):
    await back_up(database_url, tmp_path / "one", jobs=1, tell=quiet)
    told = json.loads((tmp_path / "one" / MANIFEST).read_text())
    assert told["capability"] in ("plain", "apache", "community")
    assert told["server"] >= 15
    assert told["files"]
    assert "password" not in json.dumps(told)
