"""Is every answer about the past what an independent computation says?"""

import random
from collections import defaultdict
from datetime import timedelta

import pytest

from hub.domain.areas import Area, Bbox
from hub.domain.durations import bucket_floor
from hub.domain.queries import Bucket, Cursor, Raw, ShapedQuery
from hub.domain.retention import source_of
from hub.domain.sensing import Position
from hub.storage import readings
from hub.storage.capabilities import detect
from hub.storage.migrate import migrated_as

RESOLUTIONS = [
    timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=1),
    timedelta(days=1), timedelta(weeks=1),
]  # fmt: skip


def asked(streams, since, until, **changes):
    question = {
        "fixed": list(streams), "moving": [], "since": since, "until": until, "bbox": None,
        "resolution": None, "position_decimals": None, "cursor": None, "limit": 1_000_000,
        **changes,
    }  # fmt: skip
    return ShapedQuery(**question, source=source_of(question["resolution"]))


@pytest.fixture
async def seeded(db, city, make):
    """Three datastreams over ten days at irregular times, as (stream, time, value)."""
    chosen = random.Random(7)  # noqa: S311
    streams = [city.streams[f"noise-{n}", "laeq"] for n in (1, 2, 3)]
    rows = {
        (stream, make.noon + timedelta(seconds=chosen.randrange(10 * 86_400))): chosen.uniform(
            30, 90
        )
        for stream in streams
        for _ in range(700)
    }
    await make.store_readings(db, *(make.reading(s, t, v) for (s, t), v in rows.items()))
    return [(stream, time, value) for (stream, time), value in sorted(rows.items())]


def steady(row):
    """A row without the last digits of its sum: those depend on the order of adding up."""
    if isinstance(row, Bucket):
        return row._replace(mean=round(row.mean, 9), sum=round(row.sum, 6))
    return row


def ends(make):
    return make.noon, make.noon + timedelta(days=10)


async def test_raw_history_is_what_was_stored_in_the_order_of_the_key(db, seeded, make):
    streams = {stream for stream, _, _ in seeded}
    rows = await readings.history(db, asked(streams, *ends(make)))
    assert [(r.datastream_id, r.time, r.value) for r in rows] == seeded


async def test_a_range_holds_its_beginning_and_not_its_end(db, seeded, make):
    stream, time, _ = seeded[100]
    rows = await readings.history(db, asked([stream], time, time + timedelta(seconds=1)))
    assert [row.time for row in rows] == [time]
    before = await readings.history(db, asked([stream], time - timedelta(seconds=1), time))
    assert time not in [row.time for row in before]


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
async def test_aggregates_are_what_an_independent_computation_says(db, seeded, make, resolution):
    streams = {stream for stream, _, _ in seeded}
    since, until = ends(make)
    since, until = bucket_floor(since, resolution), bucket_floor(until, resolution) + resolution
    grouped = defaultdict(list)
    for stream, time, value in seeded:
        grouped[stream, bucket_floor(time, resolution)].append(value)
    rows = await readings.history(db, asked(streams, since, until, resolution=resolution))
    assert [(r.datastream_id, r.time) for r in rows] == sorted(grouped)
    for row in rows:
        values = grouped[row.datastream_id, row.time]
        assert isinstance(row, Bucket)
        assert row.readings == len(values)
        assert row.mean == pytest.approx(sum(values) / len(values))
        assert (row.min, row.max) == (min(values), max(values))


@pytest.mark.parametrize("resolution", [None, *RESOLUTIONS[2:4]], ids=str)
@pytest.mark.parametrize("limit", [1, 7, 97, 2099, 2100, 5000])
async def test_pages_have_no_gap_and_no_repeat(db, seeded, make, resolution, limit):
    streams = {stream for stream, _, _ in seeded}
    since, until = ends(make)
    if resolution:
        since, until = bucket_floor(since, resolution), bucket_floor(until, resolution) + resolution
    whole = await readings.history(db, asked(streams, since, until, resolution=resolution))
    paged, cursor = [], None
    if limit == 1:
        whole = whole[:30]  # a page each is slow
    while len(paged) < len(whole):
        page = await readings.history(
            db, asked(streams, since, until, resolution=resolution, cursor=cursor, limit=limit)
        )
        assert page
        paged += page
        cursor = Cursor(page[-1].datastream_id, page[-1].time)
    assert [steady(row) for row in paged[: len(whole)]] == [steady(row) for row in whole]


async def test_late_readings_appear_in_every_resolution(db, seeded, make):
    stream, time, _ = seeded[0]
    late = time - timedelta(days=3)
    await make.store_readings(db, make.reading(stream, late, 1000.0))
    for resolution in RESOLUTIONS:
        start = bucket_floor(late, resolution)
        rows = await readings.history(
            db, asked([stream], start, start + resolution, resolution=resolution)
        )
        assert rows[0].max == 1000.0


async def test_latest_is_the_newest_of_each_within_the_range(db, seeded, make):
    since, until = ends(make)
    streams = {stream for stream, _, _ in seeded}
    until -= timedelta(days=4)
    newest = {s: (t, v) for s, t, v in seeded if t < until}
    rows = await readings.latest(db, asked(streams, since, until))
    assert {r.datastream_id: (r.time, r.value) for r in rows} == newest


async def test_texts_are_counted_and_have_no_mean(db, city, make):
    stream = city.streams["noise-3", "status"]
    await make.store_readings(db, make.reading(stream, value=None, text="open"))
    [row] = await readings.history(
        db,
        asked([stream], make.noon, make.noon + timedelta(hours=1), resolution=timedelta(hours=1)),
    )
    assert (row.readings, row.mean, row.min) == (1, None, None)


async def test_a_box_finds_moving_devices_by_their_rounded_position(db, city, make):
    bus = city.streams["bus-1", "laeq"]
    positions = [(17.9512, 59.4512), (17.9598, 59.4512), (18.2, 59.4512)]
    await make.store_readings(
        db,
        *(
            make.reading(bus, make.noon + timedelta(seconds=n), lon=lon, lat=lat)
            for n, (lon, lat) in enumerate(positions)
        ),
    )
    day = (make.noon, make.noon + timedelta(days=1))
    query = asked([], *day, moving=[bus], bbox=Bbox(17.955, 59.4, 17.97, 59.5))
    assert [r.lon for r in await readings.history(db, query)] == [17.9598]
    coarse = asked(
        [], *day, moving=[bus], bbox=Bbox(17.955, 59.4, 17.97, 59.5), position_decimals=2
    )
    assert [(r.lon, r.lat) for r in await readings.history(db, coarse)] == [(17.96, 59.45)]
    [newest] = await readings.latest(db, asked([], *day, moving=[bus], position_decimals=1))
    assert (newest.lon, newest.lat) == (18.2, 59.5)


async def test_what_a_batch_brought_is_found_by_its_mark(db, city, make):
    stream, other = city.streams["noise-1", "laeq"], city.streams["noise-2", "laeq"]
    await make.store_readings(db, make.reading(stream))
    [first] = await readings.batches_after(db, 0, 10)
    await make.store_readings(
        db,
        make.reading(stream, make.noon + timedelta(hours=1), 70.0),
        make.reading(other, make.noon + timedelta(hours=1), 80.0),
    )
    marks = await readings.batches_after(db, first.position, 10)
    wide = asked([stream], make.noon - timedelta(days=9), make.noon + timedelta(days=9))
    assert await readings.of_batches(db, wide, marks) == [
        Raw(stream, make.noon + timedelta(hours=1), 70.0, None, 0, None, None)
    ]
    assert await readings.of_batches(db, wide, []) == []


async def test_readings_lie_in_the_kind_of_table_that_the_database_can_have(db, seeded):
    capability = await detect(db)
    assert await migrated_as(db) == capability
    if capability == "plain":
        assert await db.fetchval("select relkind from pg_class where relname = 'reading'") == b"r"
    else:
        assert await db.fetchval("select count(*) from show_chunks('reading')") >= 10


async def test_an_area_lets_through_what_moved_within_it(db, city, make):
    """A horseshoe, so that a box would not do; beside an independent look at every position."""
    bus = city.streams["bus-1", "laeq"]
    fixed = city.streams["noise-1", "laeq"]
    ring = [
        (17, 59),
        (18, 59),
        (18, 60),
        (17.7, 60),
        (17.7, 59.3),
        (17.3, 59.3),
        (17.3, 60),
        (17, 60),
    ]
    area = Area(tuple(Position(*corner) for corner in ring))
    chosen = random.Random(5)  # noqa: S311
    driven = [
        make.reading(
            bus, make.noon + timedelta(seconds=n), float(n),
            lon=chosen.uniform(16.8, 18.2), lat=chosen.uniform(58.8, 60.2),
        )
        for n in range(400)
    ]  # fmt: skip
    lost = make.reading(bus, make.noon + timedelta(seconds=500), 500.0)  # nobody knows where
    outcome = await make.store_readings(db, *driven, lost, make.reading(fixed, make.noon, 1.0))
    inside = [r.value for r in driven if area.holds(Position(r.lon, r.lat))]
    assert 100 < len(inside) < 300
    query = asked([fixed], make.noon, make.noon + timedelta(hours=1), moving=[bus], areas=[area])
    rows = await readings.history(db, query)
    assert sorted(row.value for row in rows) == sorted([1.0, *inside])
    assert outcome.stored == 402
    mark = (await readings.batches_after(db, 0, 10))[-1]
    assert sorted(r.value for r in await readings.of_batches(db, query, [mark])) == sorted(
        [1.0, *inside]
    )
    newest = await readings.latest(db, query)
    assert [row.datastream_id for row in newest] == [fixed]  # the bus is nowhere now
