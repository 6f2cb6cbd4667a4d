"""Is a batch committed whole or not at all, each reading once, and all of it accounted for?"""

import asyncio
from datetime import timedelta

import pytest

from hub.domain.intake import Arrival, Batch, Reason, Rejection
from hub.domain.sensing import ConflictRule, Device
from hub.errors import BatchRefused, StoreUnavailable
from hub.storage import arrivals, ledger, operation, readings, registry
from hub.storage.bell import BATCH, listening
from hub.storage.pool import connect


async def values(db, stream):
    rows = await db.fetch(
        "select value from reading where datastream_id = $1 order by time", stream
    )
    return [row["value"] for row in rows]


async def test_a_batch_is_stored_and_accounted_for(db, city, make):
    stream = city.streams["noise-1", "laeq"]
    outcome = await make.store_readings(
        db, make.reading(stream), make.reading(stream, make.noon + timedelta(seconds=1), 60.0)
    )
    assert (outcome.stored, outcome.duplicates, outcome.rejected) == (2, 0, 0)
    assert await values(db, stream) == [50.0, 60.0]
    [row] = [row for row in await ledger.totals(db) if row["id"] == "test"]
    assert (row["received"], row["stored"]) == (2, 2)


async def test_a_redelivered_batch_changes_nothing_and_is_counted(db, city, make):
    stream = city.streams["noise-1", "laeq"]
    batch = [make.reading(stream, make.noon + timedelta(seconds=n), float(n)) for n in range(20)]
    await make.store_readings(db, *batch)
    outcome = await make.store_readings(db, *[r._replace(value=99.0) for r in batch])
    assert (outcome.stored, outcome.duplicates) == (0, 20)
    assert await values(db, stream) == [float(n) for n in range(20)]


async def test_new_readings_beside_a_duplicate_are_stored(db, city, make):
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(stream))
    new = make.reading(stream, make.noon + timedelta(seconds=1))
    outcome = await make.store_readings(db, make.reading(stream), new, new)
    assert (outcome.stored, outcome.duplicates) == (1, 2)


async def test_of_one_key_within_a_batch_the_first_is_kept(db, city, make):
    stream = city.streams["noise-1", "laeq"]
    outcome = await make.store_readings(
        db, make.reading(stream, value=1.0), make.reading(stream, value=2.0)
    )
    assert (outcome.stored, outcome.duplicates) == (1, 1)
    assert await values(db, stream) == [1.0]


async def overwriting_stream(db):
    device = Device("corrected-1", "environment", "noise", "Corrected")
    await registry.add_device(db, device, ["laeq"], on_conflict=ConflictRule.OVERWRITE)
    return (await registry.load(db, "test")).devices["corrected-1"].streams["laeq"].id


async def test_where_the_rule_says_so_a_different_value_overwrites(db, city, make):
    stream = await overwriting_stream(db)
    await make.store_readings(db, make.reading(stream, value=1.0))
    before = await ledger.newest_position(db)
    outcome = await make.store_readings(db, make.reading(stream, value=2.0))
    assert (outcome.stored, outcome.overwritten, outcome.duplicates) == (1, 1, 0)
    assert await values(db, stream) == [2.0]
    [mark] = await readings.batches_after(db, before, 10)
    assert await db.fetchval("select batch_id from reading where value = 2") == mark.id


async def test_where_the_rule_says_so_an_equal_value_is_a_duplicate(db, city, make):
    stream = await overwriting_stream(db)
    await make.store_readings(db, make.reading(stream, value=1.0))
    outcome = await make.store_readings(db, make.reading(stream, value=1.0))
    assert (outcome.stored, outcome.duplicates) == (0, 1)


async def test_where_the_rule_says_so_the_last_of_a_batch_wins(db, city, make):
    stream = await overwriting_stream(db)
    outcome = await make.store_readings(
        db, make.reading(stream, value=1.0), make.reading(stream, value=2.0)
    )
    assert (outcome.stored, outcome.duplicates) == (1, 1)
    assert await values(db, stream) == [2.0]


def lost(readings_lost=3):
    return Rejection(
        "v1/devices/x/readings\x00", make_time(), Reason.NOT_JSON, "bad \ud800 \x00", readings_lost,
        b"\x00\xff", 2,
    )  # fmt: skip


def make_time():
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.now(UTC)


async def test_rejections_are_kept_in_the_same_commit(db, city, make):
    await ledger.ensure_connector(db, "test")
    stream = city.streams["noise-1", "laeq"]
    outcome = await ledger.write_batch(db, Batch("test", 2, [make.reading(stream)], [lost()]))
    assert (outcome.received, outcome.stored, outcome.rejected) == (4, 1, 3)
    row = await db.fetchrow("select * from rejection")
    assert (row["reason"], row["payload"], row["readings"]) == ("not_json", b"\x00\xff", 3)
    assert row["detail"] == "bad \\ud800 \\0"
    assert row["batch_id"] == await db.fetchval("select id from batch")


async def test_a_batch_of_rejections_alone_is_a_batch(db, city):
    await ledger.ensure_connector(db, "test")
    outcome = await ledger.write_batch(db, Batch("test", 1, [], [lost()]))
    assert (outcome.received, outcome.rejected) == (3, 3)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
async def test_what_the_store_cannot_hold_stores_nothing_and_breaks_nothing(
    store, db, city, make, text
):
    await ledger.ensure_connector(db, "test")
    stream, other = city.streams["noise-3", "status"], city.streams["noise-1", "laeq"]
    bad = make.reading(stream, value=None, text=text)
    sink = ledger.Ledger(store)
    with pytest.raises(BatchRefused):
        await sink.store(Batch("test", 2, [make.reading(other), bad]))
    assert await db.fetchval("select count(*) from reading") == 0
    assert await db.fetchval("select count(*) from batch") == 0
    assert (await sink.store(Batch("test", 1, [make.reading(other)]))).stored == 1


async def test_positions_become_visible_in_order_with_many_writers(store, db, city, make):
    await ledger.ensure_connector(db, "test")
    stream, sink = city.streams["noise-1", "laeq"], ledger.Ledger(store)
    writers, batches = 4, 25
    seen: list[int] = []

    async def write(writer):
        for number in range(batches):
            time = make.noon + timedelta(seconds=number, microseconds=writer)
            await sink.store(Batch("test", 1, [make.reading(stream, time)]))

    async def read():
        while len(seen) < writers * batches:
            marks = await readings.batches_after(db, seen[-1] if seen else 0, 1000)
            seen.extend(mark.position for mark in marks)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(read())
        for writer in range(writers):
            group.create_task(write(writer))
    assert seen == sorted(seen)
    assert len(set(seen)) == writers * batches == await db.fetchval("select count(*) from batch")


async def test_the_bell_rings_for_every_batch(database_url, db, city, make):
    async with listening(database_url, BATCH) as bell:
        for number in range(3):
            ticket = bell.ticket()
            time = make.noon + timedelta(seconds=number)
            await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"], time))
            assert await bell.wait(ticket, 5)


async def test_a_database_that_goes_away_is_unavailable_not_broken(store, db, city, make):
    await ledger.ensure_connector(db, "test")
    sink = ledger.Ledger(store)
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    batch = Batch("test", 1, [make.reading(city.streams["noise-1", "laeq"])])

    async def stored():
        try:
            return await sink.store(batch)
        except StoreUnavailable:
            return None

    outcome = await make.eventually(stored)
    assert outcome.received == 1
    assert await db.fetchval("select count(*) from reading") == 1


async def test_a_server_that_is_not_there_is_unavailable():
    with pytest.raises(StoreUnavailable):
        async with connect("postgresql://nobody@127.0.0.1:1/nothing"):
            pass


class TestAudit:
    async def test_what_was_stored_adds_up(self, db, city, make):
        stream = city.streams["noise-1", "laeq"]
        await make.store_readings(db, make.reading(stream))
        await make.store_readings(db, make.reading(stream))
        always = (make.noon - timedelta(days=9), make.noon + timedelta(days=99))
        [row] = await operation.audit_totals(db, *always)
        assert (row["received"], row["stored"], row["duplicates"]) == (2, 1, 1)
        assert await operation.audit_first_fault(db, *always) is None
        assert await operation.audit_whole(db) is None

    @pytest.mark.parametrize(
        "tampering",
        [
            """insert into reading select 99, time, value, text, quality, received_at, lon, lat,
               batch_id from reading""",
            """insert into rejection (batch_id, connector, topic, received_at, reason, detail,
               readings, payload, payload_bytes)
               select id, 'test', '', now(), 'x', '', 1, '', 0 from batch""",
        ],
        ids=["a reading too many", "a rejection too many"],
    )
    async def test_what_was_slipped_in_is_found(self, db, city, make, tampering):
        await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"]))
        await db.execute(tampering)
        always = (make.noon - timedelta(days=9), make.noon + timedelta(days=99))
        fault = await operation.audit_first_fault(db, *always)
        assert fault["position"] == await ledger.newest_position(db)

    async def test_a_batch_that_was_taken_away_is_found(self, db, city, make):
        await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"]))
        await db.execute("delete from batch")
        assert (await operation.audit_whole(db))["received"] == 1


async def test_who_comes_after_knows_what_the_killed_one_still_commits(
    database_url, db, city, make
):
    arrival = Arrival("ingest", 7, b"digest", make.noon)
    async with connect(database_url) as killed, connect(database_url) as next_one:
        dying = killed.transaction()
        await dying.start()
        await arrivals.remember(killed, [arrival], 1)
        loading = asyncio.create_task(arrivals.newest(next_one, "ingest", 10))

        async def waits():
            return await db.fetchval(
                "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            )

        await make.eventually(waits)
        await dying.commit()
        assert await loading == [arrival]
