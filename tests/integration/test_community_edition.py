"""Do migrations and queries say the right thing to TimescaleDB's Community edition?

It runs here as WebAssembly (tests/services/community): everything is executed for real, but over
one connection, without COPY and without background workers.
"""

import os
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from hub.domain.durations import bucket_floor
from hub.domain.queries import ShapedQuery
from hub.domain.retention import source_of
from hub.storage import readings
from hub.storage.capabilities import Capability, detect
from hub.storage.migrate import migrate, migrations, pending
from hub.storage.sql import nouns, statements

URL = os.environ.get("STADSNAV_TEST_COMMUNITY_URL")
NOW = datetime.now(UTC).replace(microsecond=0)
AREA = asyncpg.Polygon((17.0, 59.0), (18.0, 59.0), (18.0, 60.0))
AREA_TEXT = "((17.0,59.0),(18.0,59.0),(18.0,60.0))"
START = bucket_floor(NOW - timedelta(days=4), timedelta(days=1))
SECOND = timedelta(seconds=1)

pytestmark = pytest.mark.community


@pytest.fixture(scope="module")
async def db():
    assert URL, "STADSNAV_TEST_COMMUNITY_URL is not set: see tests/services/community"
    connection = await asyncpg.connect(URL, ssl=False, statement_cache_size=0)
    await connection.execute("create extension if not exists timescaledb cascade")
    assert await detect(connection) is Capability.COMMUNITY
    assert await migrate(connection) is Capability.COMMUNITY
    yield connection
    connection.terminate()  # it does not answer a polite goodbye


@pytest.fixture(scope="module")
async def seeded(db):
    """Two datastreams over four days, as (stream, time, value); without COPY, which it lacks."""
    chosen = random.Random(7)  # noqa: S311
    span = int((NOW - START).total_seconds())
    rows = {
        (stream, START + chosen.randrange(span) * SECOND): chosen.uniform(30, 90)
        for stream in (1, 2)
        for _ in range(400)
    }
    await db.execute(
        "insert into reading (datastream_id, time, value, quality, received_at, batch_id) "
        "select s, t, v, 0, now(), 1 from unnest($1::int[], $2::timestamptz[], $3::float8[]) "
        "as u (s, t, v)",
        [stream for stream, _ in rows],
        [time for _, time in rows],
        list(rows.values()),
    )
    return rows


def expected(seeded, resolution):
    grouped = defaultdict(list)
    for (stream, time), value in seeded.items():
        grouped[stream, bucket_floor(time, resolution)].append(value)
    return {
        key: (len(values), pytest.approx(sum(values) / len(values)), min(values), max(values))
        for key, values in grouped.items()
    }


async def answered(db, resolution):
    since, until = bucket_floor(START, resolution), bucket_floor(NOW, resolution) + resolution
    query = ShapedQuery(
        [1, 2], [], since, until, None, resolution, None, None, 100_000,
        source=source_of(resolution),
    )  # fmt: skip
    rows = await readings.history(db, query)
    return {(r.datastream_id, r.time): (r.readings, r.mean, r.min, r.max) for r in rows}


RESOLUTIONS = [timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=15),
               timedelta(hours=1), timedelta(days=1)]  # fmt: skip


async def test_every_migration_was_executed(db):
    assert not await pending(db)
    applied = await db.fetch("select number from schema_migration order by number")
    assert [r["number"] for r in applied] == [m.number for m in migrations(Capability.COMMUNITY)]


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=str)
async def test_real_time_aggregates_answer_before_any_refresh(db, seeded, resolution):
    assert await answered(db, resolution) == expected(seeded, resolution)


async def test_policies_are_in_place(db):
    rows = await db.fetch("select proc_name, count(*) from timescaledb_information.jobs group by 1")
    jobs = {row["proc_name"]: row["count"] for row in rows}
    assert jobs["policy_refresh_continuous_aggregate"] == 3
    assert jobs["policy_compression"] == 1


async def test_answers_stay_after_refresh_and_in_the_columnstore(db, seeded):
    # Materialised up to the day before yesterday: the rest is answered in real time.
    for view in ("reading_minute", "reading_hour", "reading_day"):
        await db.execute(
            f"call refresh_continuous_aggregate('{view}', null, "
            f"'{bucket_floor(NOW - timedelta(days=1), timedelta(days=1)).isoformat()}')"
        )
    [chunk, *_] = [row[0] for row in await db.fetch("select show_chunks('reading')")]
    await db.execute(f"call convert_to_columnstore('{chunk}')")
    for resolution in RESOLUTIONS:
        assert await answered(db, resolution) == expected(seeded, resolution)
    whole = ShapedQuery([1, 2], [], START, NOW, None, None, None, None, 100_000)
    rows = await readings.history(db, whole)
    assert {(r.datastream_id, r.time): r.value for r in rows} == seeded


# What every named query is called with.
ARGUMENTS = {
    "arrivals": {
        "lock_session": ("s",),
        "remember": (["s"], [1], [b"d"], [NOW], 1),
        "newest": ("s", 10),
    },
    "ledger": {
        "next_batch_id": (),
        "stage": None,  # creates a table for the two that follow, executed with them below
        "insert_new": None,
        "overwrite_changed": None,
        "close_batch": (77, "test", 1, 1, 0, 0, 0, NOW, NOW),
        "ensure_connector": ("test",),
        "totals": (),
        "broken_batch": (),
        "newest_position": (),
    },
    "readings": {
        **{
            f"grouped_{kept}": (
                [1], [2_000_000_000], START, NOW, 0, START, timedelta(hours=24), 5, 10,
            )
            for kept in ("raw", "minute", "hour", "day")
        },
        "history_raw": ([1], START, NOW, 0, START, 3, 17.0, 59.0, 18.0, 60.0, [1], 10, [AREA_TEXT]),
        "history_binned": ([1], START, NOW, 0, START, timedelta(seconds=10), 10, None),
        "history_minute": ([1], START, NOW, 0, START, timedelta(minutes=5), 10, None),
        "history_hour": ([1], START, NOW, 0, START, timedelta(hours=2), 10, None),
        "history_day": ([1], START, NOW, 0, START, timedelta(days=2), 10, None),
        "local_minute": ([1], START, NOW, 0, START, [START], 10, [START]),
        "local_hour": ([1], START, NOW, 0, START, [START], 10, [START]),
        "latest": ([1, 2], START, NOW, None, [1], [AREA_TEXT]),
        "batches_after": (0, 10),
        "of_batches": ([1], [1, 2], START, NOW, NOW, 3, [1], [AREA_TEXT]),
    },
    "registry": {
        "devices": (),
        "connector_rule": ("test",),
        "credentials": (),
        "shut_out": (),
        "credential": ("d-1",),
        "state": ("d-1",),
        "organisation_of_device": ("d-1",),
        "insert_organisation": ("env", "Environment"),
        "organisations": (),
        "insert_property": ("no2", "NO2", "ug/m3", None, "number", 0.0, 500.0),
        "properties": (),
        "insert_device": ("d-1", "env", "air", "D 1", 17.9, 59.4, False, "active"),
        "insert_datastreams": ("d-1", ["no2"], "keep"),
        "set_credential": ("d-1", "$7$"),
        "set_receipts": ("d-1", True),
        "set_connector_rule": ("test", "register", "env"),
    },
    "devices": {
        "file": ("d-1",),
        "lock": ("d-1",),
        "listed": ("env", "active", "", 10),
        "taken": (["d-1"],),
        "unknown": (["env"], ["no2"]),
        "insert_many": (
            ["d-9"], ["env"], ["air"], ["D 9"], [17.9], [59.4], [False], ["active"], ["a\x1fb"],
        ),
        "insert_streams": (["d-9"], ["no2"], ["keep"]),
        "credentials": ("d-9",),
        "put_credentials": (["d-9", "d-9"], [1, 2], ["$7$", "$7$"], [NOW, NOW], [NOW, None]),
        "end_credentials": ("d-9",),
        "save": ("d-9", "quarantined", "flood", NOW),
        "set_tags": ("d-9", ["school"]),
    },
    "inventory": {
        "export_snapshot": None,  # within a transaction of its own
        "tables": (),
        "days": (),
        "has_jobs": (),
        "jobs": (),
    },
    "archiving": {
        "oldest": (),
        "touched": (START, NOW, START),
        "forgotten": (START,),
        "organisations": (),
        "streams": ("env",),
        "page": ([1], START, NOW, 0, START, 10),
    },
    "replica": {"written": (), "replayed": ()},
    "operation": {
        "connectors": (),
        "rejected_by_reason": (),
        "processes": (),
        "report_process": ("client", "test", True, 3, 0),
        "audit_totals": (START, NOW),
        "audit_first_fault": (START, NOW),
        "audit_whole": (),
    },
    "rejections": {
        "listed": (None, None, None, None, START, NOW, 2**62, 10),
        "count": (None, None, None, None, START, NOW, 0, 2**62),
        "whole": (1,),
        "replayable": (None, "not_json", "test", "t", START, NOW, 0, 2**62, 10),
        "newest_id": (),
        "forget_message": (1, "t", NOW),
        "forget_before": (START, 10),
    },
    "people": {
        "insert_person": ("anna", "Anna", None),
        "set_roles": ("anna", "env", ["data-officer"]),
        "insert_person_key": ("bcdefghi", "anna", "env", b"x", None),
        "people": (),
        "remove_membership": ("nobody", "env"),
    },
    "audit": {
        "lock_chain": (),
        "append": (
            [1, 2], [NOW, NOW], ["person:anna", "hub"], ["env", None], ["test", "test"],
            ["test/1", "test/2"], ["env\x1ftraffic", ""], ["", ""], ["", ""], ["{}", "{}"],
            [b"", b"x"], [b"x", b"y"],
        ),
        "one": (1,),
        "hashes": (1, 2),
        "lock_anchors": (),
        "newest_anchor": (),
        "anchors": (),
        "anchor_of": (1,),
        "add_anchor": (1, 2, "{}"),
        "newest": (),
        "from_position": (0, 10),
        "seen_by": ("env", "test/1", 2**62, 10, "test"),
    },
    "idempotency": {
        "lock": ("a",),
        "find": ("a", "b"),
        "remember": ("a", "b", b"x", 200, "{}"),
        "forget": (10,),
    },
    "retention": {
        "rules": (),
        "rule_of_each": (),
        "set_rule": (None, None, None, None, None),
        "unset_rule": (None,),
        "shift_refresh": (),
        "forgotten": (),
        "lock_positions": (),
        "forget": ("no2", "raw", START),
        "forget_marks": ([1], START),
        "streams_of": ("no2",),
        "drop_forgotten": ("raw", START - timedelta(days=400)),
        "oldest_kept": ("minute", [1]),
        "delete_kept": ("minute", [1], START - timedelta(days=400), START - timedelta(days=399)),
    },
    "maintenance": {
        "lock": (),
        "begin": ("roll up", timedelta(minutes=1)),
        "end": ("roll up", None),
        "tasks": (),
        "jobs": (),
        "next_roll_up": (timedelta(minutes=15),),
        "roll_up": (START - timedelta(days=300),),
        "late_hours": (10,),
        "roll_up_again": ([1], [START - timedelta(days=300)]),
        "unmark": ([1], [START], [START]),
        "late": (),
        "rate": (),
        "memory": (),
        "chunk_interval": (),
        "set_chunk_interval": (timedelta(days=1),),
    },
    "agreements": {
        "insert_dossier": (
            None, 1, "air", "env", "draft", "provider", "p", "b", None, None, ["no2"],
            timedelta(minutes=15), timedelta(0), 3, timedelta(days=30), None, timedelta(0), False,
            "", "", AREA, 5,
        ),
        "lock_dossier": (1,),
        "dossier": (1,),
        "in_force": ("air", "public"),
        "open_version": (1, "provider"),
        "newest_version": (1,),
        "of_organisation": ("env", "draft", "air", 0, 10),
        "ran_out": (NOW, 10),
        "to_be_reminded": (NOW, 10),
        "reminded": (1,),
        "save_dossier": (
            2, "offered", "p", "b", None, None, ["no2"], timedelta(minutes=15), timedelta(0), 3,
            timedelta(days=30), None, timedelta(0), False, "", "", AREA, 5, "person:anna", None,
            None,
        ),
    },
    "portfolio": {
        "put_area": ("mobility", "Mobilitet", "Mobility", ""),
        "lock_area": ("mobility",),
        "areas": ("mobility",),
        "set_stewards": ("mobility", ["anna"]),
        "set_organisations": ("mobility", ["env"]),
        "set_feeds": ("mobility", ["air"]),
        "owners_in": ("mobility",),
        "proposals": ("mobility", "submitted", "env", 0, 10),
        "proposal": (1,),
        "lock_proposal": (1,),
        "insert_proposal": (
            "mobility", "share-request", "Title", "Need", "env", "person:anna", NOW, "air",
        ),
        "save_proposal": (1, "declined", "a", 1, "No.", None),
        "decisions": (1, "KS 1", "mobility", 0, 10),
        "lock_reference": ("KS 1",),
        "insert_decision": ("mobility", "KS 1", "Title", "", NOW.date()),
        "insert_members": (1, ["Åsa"], ["env"]),
        "platforms": ("airview", "env", "mobility", "found", "", 10),
        "lock_platforms": (),
        "into": ("airview",),
        "put_platform": (
            "airview", "AirView", "env", "", "", NOW.date(), "mobility", "found", "", None, None,
        ),
    },
    "feeds": {
        "lock_feed": ("air",),
        "file": ("air",),
        "consumers": ("air",),
        "of_owner": ("env", None, "", 10),
        "save_file": (
            "air", "Air", "", "", "published", None, ["air"], None, True, ["tag"], AREA, "", "",
            None, 1, ["anna@example.org"], 1, 1, "person:anna", NOW, "", None, "", "", "", "", "",
            "full",
        ),
    },
    "sharing": {
        "insert_feed": (
            "air", "env", "Air", "", "", "published", None, ["air"], None, True, ["tag"], AREA, "",
            "",
        ),
        "parties": (1,),
        "insert_agreement": (
            "air", "public", "active", "p", "b", NOW, None, ["no2"], timedelta(minutes=15),
            timedelta(0), 3, timedelta(days=30), AREA, 5,
        ),
        "agreements_about": ("air", "public"),
        "application": ("app",),
        "listed_feeds": (),
        "feed": ("air",),
        "readable_feeds": ("env",),
        "agreements": (["air"], "env"),
        "all_feeds": (),
        "all_agreements": (),
        "set_agreement_state": (1, "revoked"),
        "feed_datastreams": ("air",),
        "insert_application": ("app", "env", "App", ["feeds:read"]),
        "insert_key": ("abcdefgh", "app", b"x", None),
        "key": ("abcdefgh",),
        "list_keys": (),
        "revoke_key": ("abcdefgh",),
    },
}  # fmt: skip


def test_every_named_query_has_arguments_here():
    assert {noun: statements(noun).keys() for noun in nouns()} == {
        noun: names.keys() for noun, names in ARGUMENTS.items()
    }


async def test_every_named_query_is_executed(db, seeded):
    for noun in sorted(ARGUMENTS, key=lambda noun: NOUNS_FIRST.get(noun, len(NOUNS_FIRST))):
        for name in sorted(ARGUMENTS[noun], key=lambda name: ORDER.get(name, len(ORDER))):
            arguments = ARGUMENTS[noun][name]
            if arguments is not None:
                await db.fetch(statements(noun)[name], *arguments)


# What must exist before others refer to it.
NOUNS_FIRST = {"registry": 0, "devices": 1, "ledger": 2, "sharing": 3, "people": 4}
ORDER = {
    name: place
    for place, name in enumerate(
        ("insert_organisation", "insert_property", "insert_device", "insert_datastreams",
         "insert_many", "insert_streams", "put_credentials",
         "ensure_connector", "insert_feed", "insert_agreement", "insert_application", "insert_key",
         "insert_dossier", "insert_person", "set_roles", "put_area", "insert_decision")
    )
}  # fmt: skip


async def test_the_careful_path_is_executed(db, seeded):
    (stream, time), value = next(iter(seeded.items()))
    ledger = statements("ledger")
    async with db.transaction():
        await db.execute(ledger["stage"])
        for ordinal, (at, result) in enumerate(((time, value), (NOW + SECOND, 1.0))):
            await db.execute(
                "insert into staged values ($1, $2, $3, $4, null, 0, now(), null, null, 99)",
                ordinal,
                stream,
                at,
                result,
            )
        assert await db.execute(ledger["overwrite_changed"]) == "UPDATE 0"
        assert await db.execute(ledger["insert_new"]) == "INSERT 0 1"
