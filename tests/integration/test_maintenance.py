"""Does maintenance do everything once, alone, and in whatever company of writers?"""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest

from hub.commands import rolling
from hub.commands.maintain import run_maintain
from hub.commands.upkeep import behind
from hub.domain.chunks import WIDTHS
from hub.domain.durations import bucket_floor
from hub.domain.intake import Batch, Reason, Rejection
from hub.domain.queries import ShapedQuery
from hub.domain.retention import Kept
from hub.errors import ConfigurationError, MaintenanceFailed
from hub.settings import Settings
from hub.storage import idempotency, ledger, maintenance, readings, rejections
from hub.storage.capabilities import Capability
from hub.storage.idempotency import Answered
from hub.storage.migrate import migrated_as
from hub.storage.pool import connect
from hub.storage.sql import statement

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOURS = bucket_floor(NOW - 5 * HOUR, HOUR)


@pytest.fixture
def settings(monkeypatch, database_url):
    monkeypatch.setenv("STADSNAV_DATABASE_URL", database_url)
    return Settings()


async def by_the_hour(db, *streams, since=HOURS):
    query = ShapedQuery(
        streams, [], since, HOURS + 6 * HOUR, None, HOUR, None, None, 10_000, source=Kept.HOUR
    )
    rows = await readings.history(db, query)
    return {(row.datastream_id, row.time): row.readings for row in rows}


async def test_once_does_everything_and_keeps_record(db, city, make, settings):
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, *(make.reading(stream, HOURS + n * HOUR / 60) for n in range(90)))
    await run_maintain(settings, once=True)
    tasks = await maintenance.tasks(db)
    assert len(tasks) == 8
    assert all(task["succeeded_at"] and task["error"] is None for task in tasks)
    assert await maintenance.next_roll_up(db, rolling.LAG) is None
    assert await by_the_hour(db, stream) == {(stream, HOURS): 60, (stream, HOURS + HOUR): 30}
    assert [found async for found in behind(db, datetime.now(UTC))] == []


async def test_what_is_too_old_is_forgotten(db, city, make, settings):
    await ledger.ensure_connector(db, "test")
    for age in (1, 200):
        rejected = Rejection("t", NOW - age * DAY, Reason.NOT_JSON, "", 1, b"x", 1)
        await ledger.write_batch(db, Batch("test", 1, (), (rejected,)))
    await idempotency.remember(db, "anna", "new", Answered(b"", 200, "{}"))
    await idempotency.remember(db, "anna", "old", Answered(b"", 200, "{}"))
    await db.execute("update idempotency set created_at = now() - interval '2 d' where key = 'old'")
    await db.execute(
        "update agreement set valid_until = now() - interval '1 s', valid_from = now() - "
        "interval '1 d' where consumer = 'traffic'"
    )
    await run_maintain(settings, once=True)
    assert await rejections.count(db, rejections.Filter()) == 1
    assert [row["key"] for row in await db.fetch("select key from idempotency")] == ["new"]
    states = await db.fetch("select state from agreement where consumer = 'traffic'")
    assert [row["state"] for row in states] == ["expired"]
    audited = await db.fetchval(
        "select count(*) from audit_event where action = 'agreement.expire'"
    )
    assert audited == 1


async def test_one_maintains_at_a_time(db, settings, database_url):
    async with connect(database_url) as other:
        assert await maintenance.lock(other)
        with pytest.raises(ConfigurationError, match="another"):
            await run_maintain(settings, once=True)


async def test_another_takes_over_when_the_first_is_gone(db, settings, database_url, make):
    async with connect(database_url) as first:
        assert await maintenance.lock(first)
        second = asyncio.create_task(run_maintain(settings, once=False))
        assert await maintenance.tasks(db) == []

    async def done():
        tasks = await maintenance.tasks(db)
        return len(tasks) == 8 and all(task["succeeded_at"] for task in tasks)

    await make.eventually(done)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_a_task_that_fails_is_told_and_does_not_stop_the_others(db):
    with pytest.raises(MaintenanceFailed):
        async with maintenance.recorded(db, "odd", HOUR):
            await db.execute("select 1 / 0")
    [found] = [found async for found in behind(db, datetime.now(UTC))]
    assert "division by zero" in found.what


async def test_the_doctor_says_what_is_behind(db, city, make):
    [never] = [found async for found in behind(db, NOW)]
    assert "never" in never.what
    async with maintenance.recorded(db, "roll up", timedelta(minutes=1)):
        pass
    await db.execute("update maintenance set succeeded_at = now() - interval '2 hours'")
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(stream, HOURS))
    await rolling.roll_up(db)
    await make.store_readings(db, make.reading(stream, HOURS + HOUR / 2))
    await db.execute("update late_hour set marked_at = now() - interval '2 hours'")
    told = [found.what async for found in behind(db, datetime.now(UTC))]
    assert any("'roll up' was last done" in what for what in told)
    assert any("1 hours with late readings" in what for what in told)


async def test_a_batch_that_commits_while_its_hour_is_rolled_up_is_not_lost(
    db, city, make, database_url
):
    """The race that the lock is for: COPY before, commit after the roll-up."""
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(stream, HOURS))
    async with connect(database_url) as writer:
        async with writer.transaction():
            batch = await writer.fetchval(statement("ledger", "next_batch_id"))
            late = make.reading(stream, HOURS + HOUR / 2)
            await writer.copy_records_to_table(
                "reading", records=[(*late, batch)], columns=(*late._fields, "batch_id")
            )
            await rolling.roll_up(db)
            assert await by_the_hour(db, stream) == {(stream, HOURS): 1}
            await writer.execute(
                statement("ledger", "close_batch"), batch, "test", 1, 1, 0, 0, 0, late.time,
                late.time,
            )  # fmt: skip
        assert await by_the_hour(db, stream) == {(stream, HOURS): 2}
    await rolling.roll_up_late(db)
    assert await maintenance.late(db) == (0, None)
    assert await by_the_hour(db, stream) == {(stream, HOURS): 2}


async def test_a_mark_made_again_meanwhile_stays(db, city, make):
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(stream, HOURS))
    await rolling.roll_up(db)
    await make.store_readings(db, make.reading(stream, HOURS + HOUR / 4))
    late = await maintenance.late_hours(db, 10)
    await make.store_readings(db, make.reading(stream, HOURS + HOUR / 2))
    await maintenance.roll_up_again(db, late)
    assert await maintenance.late_hours(db, 10) != []
    assert await by_the_hour(db, stream) == {(stream, HOURS): 3}


async def test_writers_and_maintenance_side_by_side_leave_every_answer_exact(
    db, city, make, database_url
):
    streams = [city.streams[f"noise-{n}", "laeq"] for n in (1, 2, 3)]
    chosen = random.Random(11)  # noqa: S311
    times = chosen.sample(range(5 * 3_600), 1_500)
    expected: dict = {}

    async def write(stream):
        async with connect(database_url) as own:
            for start in range(0, len(times), 25):
                rows = [
                    make.reading(stream, HOURS + timedelta(seconds=s))
                    for s in times[start : start + 25]
                ]
                await make.store_readings(own, *rows)
                for row in rows:
                    key = stream, bucket_floor(row.time, HOUR)
                    expected[key] = expected.get(key, 0) + 1

    async def maintain():
        while True:
            await rolling.roll_up(db)
            await rolling.roll_up_late(db)

    task = asyncio.create_task(maintain())
    await asyncio.gather(*map(write, streams))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with connect(database_url) as fresh:
        assert await by_the_hour(fresh, *streams) == expected
        await rolling.roll_up(fresh)
        await rolling.roll_up_late(fresh)
        assert await by_the_hour(fresh, *streams) == expected


async def test_chunks_are_sized_by_the_measured_rate(db, city, make, settings):
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(stream, NOW))
    await make.store_readings(db, make.reading(stream, NOW + HOUR))
    await db.execute("update batch set committed_at = now() - interval '3 h' where position = 1")
    await run_maintain(settings, once=True)
    width = await maintenance.chunk_interval(db)
    chunked = await migrated_as(db) is not Capability.PLAIN
    assert width == (WIDTHS[-1] if chunked else None)  # two readings an hour: a chunk a week
