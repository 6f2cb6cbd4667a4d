"""Do the questions that matter read only the chunks they must, by the index that is meant for them?

On a hypertable with several chunks where TimescaleDB is at hand, on a plain table otherwise.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from hub.storage.capabilities import Capability
from hub.storage.migrate import migrated_as
from hub.storage.sql import statement

NOW = datetime(2026, 11, 20, tzinfo=UTC)
DAYS = 8
STREAMS = 20
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
EVER = datetime(9999, 1, 1, tzinfo=UTC)
NEVER = datetime(1, 1, 1, tzinfo=UTC)


class Scan(NamedTuple):
    relation: str
    indexes: str
    rows: int


SEED = """
insert into reading (datastream_id, time, value, quality, received_at, batch_id, lon, lat)
select s, at, s, 0, at, 1 + extract(epoch from $2::timestamptz - at)::bigint / 3600,
       18 + s / 1000.0, 59
from generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', '2 minutes') as at,
     generate_series(1, $3::int) as s
"""


@pytest.fixture
async def seeded(db):
    """A reading every two minutes; a batch an hour, the newest is number 1."""
    await db.execute(SEED, NOW - DAYS * DAY, NOW, STREAMS)
    await db.execute("analyze reading")
    await db.execute("call roll_up($1)", NOW)
    await db.execute("analyze")
    return await migrated_as(db)


def indexes_of(node):
    below = [name for child in node.get("Plans", []) for name in indexes_of(child)]
    return [*below, node["Index Name"]] if "Index Name" in node else below


def scans(node):
    """Return every scan of a plan that was really run: its relation, indexes and rows."""
    below = node.get("Plans", [])
    found = [scan for child in below for scan in scans(child)]
    is_append = any("Relation Name" in child for child in below)  # of chunks
    if node.get("Actual Loops") and "Relation Name" in node and not is_append:
        rows = round(node["Actual Rows"] * node["Actual Loops"])
        found.append(Scan(node["Relation Name"], " ".join(indexes_of(node)), rows))
    return found


async def run(db, noun, name, *arguments):
    query = "explain (analyze, format json, timing off) " + statement(noun, name)
    [top] = json.loads(await db.fetchval(query, *arguments))
    return scans(top["Plan"])


def of_readings(found):
    return [s for s in found if s.relation == "reading" or s.relation.startswith("_hyper_1_")]


def check(found, capability, *, index, chunks):
    """Every scan of readings uses the index, and none is of a chunk that the range leaves out."""
    read = of_readings(found)
    assert read, found
    assert all(index in scan.indexes for scan in read), read
    relations = {scan.relation for scan in read}
    assert len(relations) <= (1 if capability is Capability.PLAIN else chunks), relations


async def test_history_reads_the_chunks_of_its_range_by_the_key(db, seeded):
    found = await run(
        db, "readings", "history_raw", [7], NOW - 3 * DAY, NOW - 2 * DAY, 0, NEVER, None, None,
        None, None, None, [7], 1_000, [],
    )  # fmt: skip
    check(found, seeded, index="reading_pkey", chunks=1)


async def test_a_page_of_many_datastreams_stops_at_its_limit(db, seeded):
    found = await run(
        db, "readings", "history_raw", list(range(1, STREAMS + 1)), NOW - DAY, NOW, 10, NOW - HOUR,
        None, None, None, None, None, [], 100, [],
    )  # fmt: skip
    check(found, seeded, index="reading_pkey", chunks=1)
    assert sum(s.rows for s in of_readings(found)) <= 200


async def test_a_box_is_compared_within_the_range_only(db, seeded):
    found = await run(
        db, "readings", "history_raw", [7, 8], NOW - 2 * DAY, NOW - DAY, 0, NEVER, 3, 18.0, 58.0,
        18.0075, 60.0, [], 1_000, [],
    )  # fmt: skip
    check(found, seeded, index="reading_pkey", chunks=1)


async def test_the_newest_are_found_at_the_end_of_the_key(db, seeded):
    streams = list(range(1, STREAMS + 1))
    found = await run(db, "readings", "latest", streams, NOW - DAY, EVER, None, streams, [])
    check(found, seeded, index="reading_pkey", chunks=1)
    assert sum(s.rows for s in of_readings(found)) == STREAMS


@pytest.mark.parametrize("name", ["history_minute", "history_hour", "history_day"])
async def test_what_is_rolled_up_is_not_computed_from_readings(db, seeded, name):
    width = {"history_minute": HOUR / 4, "history_hour": HOUR, "history_day": DAY}[name]
    found = await run(
        db, "readings", name, [7, 8], NOW - 6 * DAY, NOW, 0, NEVER, width, 1_000, None
    )
    assert sum(s.rows for s in of_readings(found)) == 0
    rolled = [s for s in found if s.rows > 2 and s not in of_readings(found)]
    buckets = {"history_minute": 6 * 24 * 30, "history_hour": 6 * 24, "history_day": 6}[name]
    assert sum(s.rows for s in rolled) == 2 * buckets
    assert all(s.indexes for s in rolled if name == "history_minute"), rolled


async def test_what_is_not_rolled_up_yet_is_read_from_the_end_only(db, seeded):
    await db.execute(
        "update rollup_progress set minute = $1, hour = $1, day = $2", NOW - 2 * HOUR, NOW - DAY
    )
    found = await run(
        db, "readings", "history_hour", [7, 8], NOW - 6 * DAY, NOW, 0, NEVER, HOUR, 1_000, None
    )
    check(found, seeded, index="reading_pkey", chunks=1)
    assert sum(s.rows for s in of_readings(found)) == 2 * 60


async def test_late_hours_are_read_alone(db, seeded):
    late = NOW - 5 * DAY
    await db.execute("insert into late_hour values (7, $1, now())", late)
    found = await run(
        db, "readings", "history_hour", [7, 8], NOW - 6 * DAY, NOW, 0, NEVER, HOUR, 1_000, None
    )
    check(found, seeded, index="reading_pkey", chunks=1)
    assert sum(s.rows for s in of_readings(found)) == 30


async def test_a_stream_reads_its_batches_by_their_ids(db, seeded):
    found = await run(
        db, "readings", "of_batches", [30, 31], [7, 8], NOW - 31 * HOUR, NOW - 29 * HOUR, EVER,
        None, [7, 8], [],
    )  # fmt: skip
    check(found, seeded, index="reading_batch", chunks=2)
