"""Is every answer about history exact, on every database: at once, late, corrected, and forgotten?

One suite for all editions: the database at hand (embedded, or STADSNAV_TEST_DATABASE_URL), and
TimescaleDB's Community edition as WebAssembly. Every answer is compared with a computation in
Python that knows nothing of the store.
"""

import itertools
import os
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from hub.commands import forgetting, rolling
from hub.domain.durations import Grid, bucket_floor
from hub.domain.queries import Bucket, Cursor, ShapedQuery
from hub.domain.retention import FOR_EVER, Kept, source_of
from hub.domain.sensing import Datastream, Device, ObservedProperty
from hub.sharing.shaping import shorten
from hub.storage import maintenance, readings, registry, retention
from hub.storage.migrate import migrate, migrated_as
from hub.storage.pool import connect

COMMUNITY_URL = os.environ.get("STADSNAV_TEST_COMMUNITY_URL")
NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
RESOLUTIONS = [10 * timedelta(seconds=1), MINUTE, 15 * MINUTE, 90 * MINUTE, HOUR, DAY, 7 * DAY]
_numbers = itertools.count(1)


class WithoutCopy:
    """The Community edition's connection: what COPY would do, done by INSERT."""

    def __init__(self, db):
        self._db = db

    def __getattr__(self, name):
        return getattr(self._db, name)

    async def copy_records_to_table(self, table_name, *, records, columns):
        places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
        insert = f"insert into {table_name} ({', '.join(columns)}) values ({places})"
        for record in records:
            await self._db.execute(insert, *record)


@pytest.fixture(scope="module")
async def community():
    if COMMUNITY_URL is None:
        yield None
        return
    connection = await asyncpg.connect(COMMUNITY_URL, ssl=False, statement_cache_size=0)
    await connection.execute("create extension if not exists timescaledb cascade")
    await connection.execute("set timezone to 'UTC'")
    await migrate(connection)
    yield WithoutCopy(connection)
    connection.terminate()  # it does not answer a polite goodbye


@pytest.fixture(params=["at_hand", pytest.param("community", marks=pytest.mark.community)])
async def db(request, database_url, community):
    if request.param == "community":
        assert community, "STADSNAV_TEST_COMMUNITY_URL is not set: see tests/services/community"
        await community.execute("delete from forgotten")
        await community.execute("delete from retention")
        yield community
        return
    async with connect(database_url) as connection:
        yield connection


@dataclass
class Model:
    """What must be stored, by the rules of the house and without the store."""

    streams: dict[int, Datastream]
    overwriting: set[int] = field(default_factory=set)
    rows: dict = field(default_factory=dict)

    def take(self, taken):
        for reading in taken:
            key = reading.datastream_id, reading.time
            if key not in self.rows or reading.datastream_id in self.overwriting:
                self.rows[key] = reading

    def forget(self, before):
        self.rows = {key: row for key, row in self.rows.items() if key[1] >= before}

    def buckets(self, grid, since, until):
        """Return every bucket with readings in [since, until), by (datastream, start)."""
        starts = list(grid.starts(since, until))
        found = {}
        for (stream, time), row in sorted(self.rows.items()):
            if since <= time < until:
                start = max(s for s in starts if s <= time) if grid.zone else grid.floor(time)
                found.setdefault((stream, start), []).append(row)
        return {key: told(rows) for key, rows in found.items()}


def told(rows):
    values = [row.value for row in rows]
    return {
        "readings": len(values), "sum": pytest.approx(sum(values)), "min": min(values),
        "max": max(values), "first": values[0], "last": values[-1],
        "mean": pytest.approx(sum(values) / len(values)),
        "good": sum(row.quality == 0 for row in rows),
    }  # fmt: skip


@pytest.fixture
async def model(db):
    """Two devices: of one the first of a key stays, the other may correct what it said."""
    number, streams, overwriting = next(_numbers), {}, set()
    await registry.add_organisation(db, f"owner-{number}", "Owner")
    for name, rule in ((f"kept-{number}", "keep"), (f"corrected-{number}", "overwrite")):
        await registry.add_property(db, ObservedProperty(name, name, "1", None))
        device = Device(f"device-{name}", f"owner-{number}", "test", name, None)
        await registry.add_device(db, device, [name], on_conflict=rule)
        stream = await db.fetchval("select id from datastream where property = $1", name)
        streams[stream] = Datastream(stream, name, name, "test", name, "1", None, False)
        if rule == "overwrite":
            overwriting.add(stream)
    return Model(streams, overwriting)


@pytest.fixture
def write(db, model, make):
    async def commit(rows):
        outcome = await make.store_readings(db, *rows)
        model.take(rows)
        return outcome

    return commit


def some(model, make, since, until, count, seed=1):
    """Return readings at irregular times, in no order, as `count` per datastream."""
    chosen = random.Random(seed)  # noqa: S311
    span = int((until - since).total_seconds())
    rows = [
        make.reading(
            stream, since + timedelta(seconds=chosen.randrange(span)), chosen.uniform(-20, 90),
            quality=chosen.choice([0, 0, 0, 1, 2, 3]),
        )
        for stream in model.streams
        for _ in range(count)
    ]  # fmt: skip
    by_key = {(row.datastream_id, row.time): row for row in rows}
    return chosen.sample(list(by_key.values()), len(by_key))


async def answered(db, model, grid, since, until, gone=None, **changes):
    starts = list(grid.starts(since, until)) if grid.zone else None
    source = source_of(grid.width, starts or ())
    query = ShapedQuery(
        list(model.streams), [], since, until, None, grid.width, None, None, 100_000,
        starts=starts, source=source, **changes,
    )  # fmt: skip
    query = shorten(query, model.streams, gone or {})
    return query, await readings.history(db, query)


def compared(rows):
    wanted = ("readings", "sum", "min", "max", "first", "last", "mean", "good")
    return {(r.datastream_id, r.time): {n: getattr(r, n) for n in wanted} for r in rows}


async def assert_exact(db, model, since, until, zone=None):
    for width in [DAY, 7 * DAY] if zone else RESOLUTIONS:
        grid = Grid(width, zone)
        begin, end = grid.floor(since), grid.ceil(until)
        _, rows = await answered(db, model, grid, begin, end)
        assert compared(rows) == model.buckets(grid, begin, end), f"buckets of {width}, {zone}"


async def roll_up(db):
    """Do what policies and maintenance do in a minute."""
    await rolling.roll_up(db)
    if await migrated_as(db) == "community":  # nothing runs in the background there
        await maintenance.roll_up(db, NOW - rolling.LAG)
    await rolling.roll_up_late(db)


SINCE, UNTIL = bucket_floor(NOW - 6 * DAY, DAY), NOW - 20 * MINUTE


async def test_answers_are_exact_before_and_after_they_are_rolled_up(db, model, write, make):
    await write(some(model, make, SINCE, UNTIL, 300))
    await assert_exact(db, model, SINCE, NOW)
    await roll_up(db)
    await assert_exact(db, model, SINCE, NOW)
    await write(some(model, make, UNTIL, NOW, 30, seed=2))
    await assert_exact(db, model, SINCE, NOW)


async def test_a_flood_of_duplicates_changes_nothing(db, model, write, make):
    rows = some(model, make, SINCE, UNTIL, 150)
    await write(rows)
    await roll_up(db)
    for seed in range(3):
        again = random.Random(seed).sample(rows, len(rows))  # noqa: S311
        outcome = await write(again)
        assert (outcome.stored, outcome.duplicates) == (0, len(rows))
    await assert_exact(db, model, SINCE, NOW)
    await roll_up(db)
    await assert_exact(db, model, SINCE, NOW)


async def test_late_readings_reach_every_resolution_at_once_and_for_good(db, model, write, make):
    await write(some(model, make, SINCE, UNTIL, 150))
    await roll_up(db)
    for seed in (3, 4):
        await write(some(model, make, SINCE, UNTIL, 40, seed=seed))
        await assert_exact(db, model, SINCE, NOW)
    await roll_up(db)
    assert await maintenance.late(db) == (0, None)
    await assert_exact(db, model, SINCE, NOW)


async def test_one_batch_may_span_days_and_reach_before_everything(db, model, write, make):
    await write(some(model, make, SINCE, UNTIL, 50))
    await roll_up(db)
    [stream, _] = model.streams
    before = SINCE - 40 * DAY + timedelta(hours=3, seconds=7)
    await write([make.reading(stream, before, 1000.0), make.reading(stream, NOW, 2.0)])
    await assert_exact(db, model, before, NOW)
    await roll_up(db)
    await assert_exact(db, model, before, NOW)


async def test_corrections_reach_every_resolution_and_others_keep_what_came_first(
    db, model, write, make
):
    rows = some(model, make, SINCE, UNTIL, 150)
    await write(rows)
    await roll_up(db)
    changed = [row._replace(value=row.value + 500, quality=0) for row in rows[::3]]
    outcome = await write(changed)
    assert outcome.overwritten == sum(r.datastream_id in model.overwriting for r in changed)
    await assert_exact(db, model, SINCE, NOW)
    await roll_up(db)
    assert await maintenance.late(db) == (0, None)
    await assert_exact(db, model, SINCE, NOW)


async def test_the_views_for_people_say_the_same(db, model, write, make):
    await write(some(model, make, SINCE, UNTIL, 100))
    await roll_up(db)
    await write(some(model, make, SINCE, NOW, 30, seed=5))
    if await migrated_as(db) == "community":
        await roll_up(db)  # there the views are the aggregates themselves: late is late
    for view, width in (("minute", MINUTE), ("hour", HOUR), ("day", DAY)):
        rows = await db.fetch(
            f"select datastream_id, bucket, count, sum, good from reading_{view} "
            "where datastream_id = any($1::int[])", list(model.streams),
        )  # fmt: skip
        grid = Grid(width)
        expected = model.buckets(grid, grid.floor(SINCE), NOW + DAY)
        assert {(r[0], r[1]): (r[2], r[3], r[4]) for r in rows} == {
            key: (found["readings"], found["sum"], found["good"]) for key, found in expected.items()
        }


@pytest.mark.parametrize(("month", "day", "hours"), [(3, 30, 23), (10, 26, 25)])
async def test_local_days_have_23_and_25_hours_when_the_clock_changes(
    db, model, write, make, month, day, hours
):
    change = datetime(2025, month, day, tzinfo=UTC)
    since, until = change - 3 * DAY, change + 3 * DAY
    await write(some(model, make, since, until, 200))
    await assert_exact(db, model, since, until, STOCKHOLM)
    await roll_up(db)
    await assert_exact(db, model, since, until, STOCKHOLM)
    grid = Grid(DAY, STOCKHOLM)
    starts = list(grid.starts(grid.floor(since), grid.ceil(until)))
    lengths = [(b - a) / HOUR for a, b in itertools.pairwise(starts)]
    assert sorted(set(lengths)) == sorted({24, hours})


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"])
async def test_days_of_zones_with_odd_offsets_are_made_of_minutes(db, model, write, make, zone):
    since = datetime(2025, 4, 4, tzinfo=UTC)  # Lord Howe changes by half an hour on the 5th
    await write(some(model, make, since, since + 4 * DAY, 100))
    await roll_up(db)
    await assert_exact(db, model, since, since + 4 * DAY, ZoneInfo(zone))


async def test_pages_of_local_days_have_no_gap_and_no_repeat(db, model, write, make):
    await write(some(model, make, SINCE, UNTIL, 100))
    await roll_up(db)
    grid = Grid(DAY, STOCKHOLM)
    since, until = grid.floor(SINCE), grid.ceil(NOW)
    query, whole = await answered(db, model, grid, since, until)
    paged, cursor = [], None
    while len(paged) < len(whole):
        page = await readings.history(db, _replaced(query, limit=3, cursor=cursor))
        assert page
        paged += page
        cursor = Cursor(page[-1].datastream_id, page[-1].time)
    assert compared(paged) == model.buckets(grid, since, until)
    assert len(paged) == len(whole)
    assert all(isinstance(row, Bucket) for row in paged)


def _replaced(query, **changes):
    fields = {name: getattr(query, name) for name in query.__dataclass_fields__}
    return ShapedQuery(**{**fields, **changes})


async def raw_times(db, stream):
    rows = await db.fetch("select time from reading where datastream_id = $1 order by 1", stream)
    return [row["time"] for row in rows]


async def test_history_ends_in_time_and_what_is_coarser_stays_exact(db, model, write, make):
    await write(some(model, make, SINCE - 4 * DAY, UNTIL, 300))
    [short, long] = model.streams
    await retention.set_rule(
        db, model.streams[short].property, {**FOR_EVER, Kept.RAW: 2 * DAY, Kept.MINUTE: 4 * DAY}
    )
    told = await forgetting.forget_history(db)
    assert "raw=" in told
    assert "minute=" in told
    gone = await retention.forgotten(db)
    raw_end = gone[model.streams[short].property, Kept.RAW]
    minute_end = gone[model.streams[short].property, Kept.MINUTE]
    assert 2 * DAY < NOW - raw_end <= 2 * DAY + 2 * HOUR + MINUTE
    kept = {s: [t for (stream, t) in sorted(model.rows) if stream == s] for s in model.streams}
    assert await raw_times(db, short) == [t for t in kept[short] if t >= raw_end]
    assert await raw_times(db, long) == kept[long]
    for width in (HOUR, DAY, 7 * DAY):  # from hours and days, which are all kept
        grid = Grid(width)
        begin = grid.floor(SINCE - 4 * DAY)
        query, rows = await answered(db, model, grid, begin, NOW, gone)
        assert not query.missing
        assert compared(rows) == model.buckets(grid, begin, NOW)
    for width in (MINUTE, 90 * MINUTE):
        grid = Grid(width)
        begin = grid.floor(SINCE - 4 * DAY)
        query, rows = await answered(db, model, grid, begin, NOW, gone)
        assert [m.ask for m in query.missing] == [Kept.HOUR]
        whole = model.buckets(grid, begin, NOW)
        assert compared(rows) == {
            key: found for key, found in whole.items() if key[0] == long or key[1] >= minute_end
        }
    assert await forgetting.forget_history(db) == ""


async def test_a_reading_that_comes_after_its_retention_changes_no_roll_up(db, model, write, make):
    await write(some(model, make, SINCE - 4 * DAY, UNTIL, 100))
    await retention.set_rule(
        db, next(iter(model.streams.values())).property, {**FOR_EVER, Kept.RAW: 2 * DAY}
    )
    await forgetting.forget_history(db)
    stream = next(iter(model.streams))
    await make.store_readings(db, make.reading(stream, SINCE + HOUR, 1e6))
    for step in (roll_up, forgetting.forget_history, roll_up):
        for width in (HOUR, DAY):
            grid = Grid(width)
            _, rows = await answered(db, model, grid, SINCE - 4 * DAY, NOW)
            assert compared(rows) == model.buckets(grid, SINCE - 4 * DAY, NOW)
        await step(db)
    assert SINCE + HOUR not in await raw_times(db, stream)


async def test_what_all_have_forgotten_is_dropped(db, model, write, make):
    await write(some(model, make, SINCE - 10 * DAY, UNTIL, 100))
    await retention.set_rule(db, None, {**FOR_EVER, Kept.RAW: 2 * DAY})
    await forgetting.forget_history(db)
    oldest = await db.fetchval(
        "select min(time) from reading where datastream_id = any($1::int[])", list(model.streams)
    )
    assert oldest >= NOW - 2 * DAY - 2 * HOUR - DAY  # where there are chunks, a whole one
    grid = Grid(HOUR)
    begin = grid.floor(SINCE - 10 * DAY)
    _, rows = await answered(db, model, grid, begin, NOW)
    assert compared(rows) == model.buckets(grid, begin, NOW)
