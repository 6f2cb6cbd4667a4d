"""Is every delivery of a feed that asks for it on record, before anybody has it?"""

import asyncio
import json
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import pytest

from hub.api.stream import Subscription, begin_at, follow, open_subscription
from hub.domain.people import Person, Role
from hub.domain.queries import ReadingQuery, ShapedQuery
from hub.domain.reads import Read, Way
from hub.domain.sharing import Feed, FeedState, Grant, Principal, ReadRule, Scope, Shape
from hub.errors import StoreUnavailable
from hub.sharing.keys import new_key
from hub.storage import audit, people
from hub.storage.pool import connect, translated
from hub.storage.reads import ReadLog

NOW = datetime.now(UTC)
FEEDS = "/api/v1/feeds"


def as_(key, **headers):
    return {"Authorization": f"Bearer {key}", **headers}


async def rule(db, chosen, feed="noise"):
    await db.execute("update feed set read_log = $1 where id = $2", chosen, feed)


async def on_record(db):
    rows = await db.fetch("select * from audit_event where action = 'feed.read' order by position")
    return [
        (row["actor"], row["organisation"], row["subject"], json.loads(row["detail"]))
        for row in rows
    ]


ASKED = [
    ("latest", {}, "latest"),
    ("latest", {"format": "csv"}, "latest"),
    ("latest", {"format": "geojson"}, "latest"),
    ("readings", {}, "readings"),
    ("readings", {"format": "csv"}, "readings"),
    ("readings", {"format": "geojson", "limit": "3"}, "readings"),
    ("readings", {"resolution": "PT1H", "property": "laeq"}, "readings"),
]


class TestFull:
    @pytest.mark.parametrize(("path", "asked", "way"), ASKED)
    async def test_every_delivery_is_on_record_in_every_format(
        self, http, db, city, noon_readings, path, asked, way
    ):
        await rule(db, "full")
        for _ in range(2):
            answer = await http.get(
                f"{FEEDS}/noise/{path}", params=asked, headers=as_(city.keys["traffic"])
            )
            assert answer.status_code == 200
        found = await on_record(db)
        assert len(found) == 2
        actor, organisation, subject, told = found[0]
        assert actor.startswith("application:traffic-app-")
        assert (organisation, subject) == ("traffic", "feed/noise")
        assert (told["rule"], told["way"]) == ("full", way)
        assert told["rows"] > 0
        assert told["first"] <= told["last"]
        assert told.get("properties") == ([asked["property"]] if "property" in asked else None)
        assert ("from" in told) == (way == "readings")

    async def test_a_walk_through_pages_is_on_record_page_by_page(
        self, http, db, city, noon_readings
    ):
        await rule(db, "full")
        following, pages = f"{FEEDS}/noise/readings?limit=100", 0
        while following:
            answer = await http.get(following, headers=as_(city.keys["traffic"]))
            following, pages = answer.json()["next"], pages + 1
        found = await on_record(db)
        assert len(found) == pages > 2
        assert ["after" in told for *_, told in found] == [False] + [True] * (pages - 1)

    async def test_a_stream_is_on_record_commit_by_commit(self, hub, db, city, make):
        await rule(db, "full")
        subscription = Subscription(city.keys["traffic"], "noise", ReadingQuery())
        right = await open_subscription(hub, subscription)
        events = follow(hub, subscription, right, await begin_at(hub, None))
        assert b"ready" in await anext(events)
        assert await on_record(db) == []
        for number in (1, 2):
            time = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=number)
            await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"], time))
            while b"event: readings" not in await anext(events):
                pass
            found = await on_record(db)
            assert [told["way"] for *_, told in found] == ["stream"] * number
            assert found[-1][-1]["first"] == time.isoformat()
        await events.aclose()

    async def test_the_page_for_people_is_a_delivery_too(
        self, hub, asking, db, city, noon_readings
    ):
        from hub.web import pages  # noqa: PLC0415

        await rule(db, "full")
        client = await asking(hub)
        pages.install(client._transport.app)
        client.cookies.set("stadsnav_key", city.keys["traffic"])
        assert (await client.get("/?feed=noise")).status_code == 200
        assert [told["way"] for *_, told in await on_record(db)] == ["latest"]

    async def test_what_was_refused_is_no_delivery(self, http, db, city, noon_readings):
        await rule(db, "full")
        for key, query, status in (
            (city.keys["stranger"], "", 404),
            (city.keys["property"], "?resolution=raw", 403),
            (city.keys["traffic"], "?limit=x", 400),
        ):
            answer = await http.get(f"{FEEDS}/noise/readings{query}", headers=as_(key))
            assert answer.status_code == status
        assert await on_record(db) == []

    async def test_the_owner_s_own_reads_are_on_record(self, http, db, city, noon_readings):
        await rule(db, "full", "secret")
        await http.get(f"{FEEDS}/secret/latest", headers=as_(city.keys["environment"]))
        [(_, organisation, subject, told)] = await on_record(db)
        assert (organisation, subject, told["agreement"]) == ("environment", "feed/secret", None)


class TestMetadata:
    async def test_an_hour_is_told_of_once_for_each_reader_and_way(
        self, http, hub, db, city, noon_readings
    ):
        await rule(db, "metadata")
        for _ in range(3):
            for key in ("traffic", "property"):
                for path in ("latest", "readings"):
                    answer = await http.get(f"{FEEDS}/noise/{path}", headers=as_(city.keys[key]))
                    assert answer.status_code == 200
        found = await on_record(db)
        told = {(organisation, members["way"]) for _, organisation, _, members in found}
        hours = {members["until"] for *_, members in found}
        assert len(found) == 4 * len(hours)
        assert told == {(who, way) for who in ("traffic", "property")
                        for way in ("latest", "readings")}  # fmt: skip
        assert "rows" not in found[0][-1]
        assert (await audit.verify(db)).fault is None

    async def test_the_next_hour_is_told_of_again(self, db, city):
        log = ReadLog()
        at = NOW.replace(minute=59, second=59, microsecond=0)
        for minutes in (0, 0, 0, 1, 2, 61):
            await log.record(db, read(ReadRule.METADATA, at + timedelta(minutes=minutes)))
        assert len(await on_record(db)) == 3


class TestNone:
    async def test_nothing_is_put_on_record(self, http, db, city, noon_readings):
        await http.get(f"{FEEDS}/noise/readings", headers=as_(city.keys["traffic"]))
        assert await on_record(db) == []

    async def test_who_does_not_say_who_they_are_cannot_be(self, http, db, city, noon_readings):
        await rule(db, "full", "open")
        assert (await http.get(f"{FEEDS}/open/latest")).status_code == 200
        assert await on_record(db) == []
        await http.get(f"{FEEDS}/open/latest", headers=as_(city.keys["stranger"]))
        assert len(await on_record(db)) == 1


class TestBeforeDelivery:
    async def test_nothing_is_delivered_before_it_is_committed_and_all_share_a_commit(
        self, http, db, database_url, city, noon_readings, make
    ):
        await rule(db, "full")
        async with (
            connect(database_url) as blocker,
            asyncio.TaskGroup() as group,
            blocker.transaction(),
        ):
            await blocker.execute("lock table audit_event in exclusive mode")
            asked = {"headers": as_(city.keys["traffic"])}
            reads = [
                group.create_task(http.get(f"{FEEDS}/noise/readings", **asked)) for _ in range(6)
            ]

            async def one_waits():
                return await blocker.fetchval(
                    "select count(*) from pg_locks where not granted and relation = "
                    "'audit_event'::regclass"
                )

            await make.eventually(one_waits)
            assert not any(one.done() for one in reads)
        assert all(one.result().status_code == 200 for one in reads)
        assert len(await on_record(db)) == 6
        commits = await db.fetchval(
            "select count(distinct xmin::text) from audit_event where action = 'feed.read'"
        )
        assert commits <= 3

    async def test_what_cannot_be_put_on_record_is_not_delivered(
        self, http, db, city, noon_readings
    ):
        await rule(db, "full")
        await db.execute(
            "create function away() returns trigger language plpgsql as "
            "$$ begin raise exception using errcode = 'disk_full'; end $$;"
            "create trigger away before insert on audit_event execute function away()"
        )
        answer = await http.get(f"{FEEDS}/noise/readings", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 503
        assert "readings" not in answer.json()
        await db.execute("drop trigger away on audit_event")
        answer = await http.get(f"{FEEDS}/noise/readings", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 200
        assert len(await on_record(db)) == 1

    async def test_whatever_breaks_each_read_that_went_on_is_on_record(
        self, database_url, db, city
    ):
        """Connections are killed and readers hang up at random; what returned must be there."""
        chosen, log, delivered = random.Random(5), ReadLog(), []  # noqa: S311

        async def reader(name):
            for number in range(40):
                async with AsyncExitStack() as stack:
                    mark = f"{name}-{number}"
                    try:
                        connection = await stack.enter_async_context(connect(database_url))
                        async with asyncio.timeout(chosen.choice([0.001, 0.004, 10])):
                            with translated():
                                await log.record(connection, read(ReadRule.FULL, NOW, mark))
                        delivered.append(f"application:{mark}")
                    except (StoreUnavailable, TimeoutError):
                        pass

        async def killer():
            while True:
                await db.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = "
                    "current_database() and pid <> pg_backend_pid() and backend_type = "
                    "'client backend' and random() < 0.2"
                )
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            killing = group.create_task(killer())
            async with asyncio.TaskGroup() as readers:
                for name in range(6):
                    readers.create_task(reader(name))
            killing.cancel()
        recorded = {actor for actor, *_ in await on_record(db)}
        assert len(delivered) > 20
        assert set(delivered) <= recorded
        assert (await audit.verify(db)).fault is None
        assert log._waiting == []


def read(chosen, at, application="app"):
    feed = Feed("noise", "environment", "", "", "", FeedState.PUBLISHED, read_log=chosen)
    query = ShapedQuery([], [], NOW, NOW, None, None, None, None, 10)
    reader = Principal("traffic", application, frozenset({Scope.READ}))
    grant = Grant(feed, Shape(), 1, None)
    return Read(reader, grant, Way.READINGS, ReadingQuery(), query, [], at)


class TestTheRule:
    @pytest.fixture
    async def who(self, db, city):
        async def person(name, organisation, role):
            fresh = new_key()
            await people.add(db, Person(name, name))
            await people.set_roles(db, name, organisation, [role])
            await people.add_key(
                db, name, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
            )
            return as_(fresh.key)

        return {
            "anna": await person("anna", "environment", Role.DATA_OFFICER),
            "sten": await person("sten", "environment", Role.STEWARD),
            "ada": await person("ada", "traffic", Role.AUDITOR),
            "rut": await person("rut", "property", Role.AUDITOR),
        }

    async def test_is_set_by_a_data_officer_and_told_to_who_reads(self, http, city, who):
        path, body = f"{FEEDS}/noise", {"read_log": "full"}
        assert (await http.patch(path, json=body)).status_code == 401
        assert (await http.patch(path, json=body, headers=who["ada"])).status_code == 404
        assert (await http.patch(path, json=body, headers=who["sten"])).status_code == 403
        assert (
            await http.patch(path, json={"read_log": "some"}, headers=who["anna"])
        ).status_code == 400
        answer = await http.patch(path, json=body, headers=who["anna"])
        assert answer.json()["read_log"] == "full"
        told = (await http.get(path, headers=as_(city.keys["traffic"]))).json()
        assert told["access"]["read_log"] == "full"
        other = await http.patch(path, json={"title": "Sound"}, headers=who["anna"])
        assert other.json()["read_log"] == "full"

    async def test_an_auditor_sees_the_reads_of_their_own_organisation(
        self, http, db, city, who, noon_readings
    ):
        await rule(db, "full")
        await http.get(f"{FEEDS}/noise/latest", headers=as_(city.keys["traffic"]))
        for name, count in (("ada", 1), ("anna", 1), ("rut", 0)):
            answer = await http.get("/api/v1/audit?action=feed.read", headers=who[name])
            assert len(answer.json()["events"]) == count
        assert (await http.get("/api/v1/audit", headers=who["sten"])).status_code == 403
        assert (await http.get("/api/v1/audit")).status_code == 401
