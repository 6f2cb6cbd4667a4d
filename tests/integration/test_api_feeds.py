"""Who is asking comes first: what may they see, and in what form, over HTTP?"""

import asyncio
import base64
import csv
import io
import itertools
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest

from connectors import native
from hub.api.app import create_app
from hub.api.context import Hub
from hub.broker.access import is_password
from hub.commands.keeping import RegistryKeeper
from hub.commands.receiving import CONNECTOR, HttpReceiver
from hub.domain.intake import Limits
from hub.domain.sharing import AgreementState, Scope
from hub.ingest.acceptance import ClockRule
from hub.storage import operation, sharing
from hub.storage.bell import BATCH, RIGHTS, Bells
from hub.storage.ledger import Ledger

PAYLOAD_BYTES = 4096
CONCEALED = ["/api/v1/feeds/secret", "/api/v1/feeds/nothing"]
PATHS = ["", "/datastreams", "/latest", "/readings", "/stream"]


@pytest.fixture
async def hub(store, database_url, city):
    keeper = RegistryKeeper(store, CONNECTOR)
    await keeper.load()
    decode = partial(native.decode, limits=Limits(PAYLOAD_BYTES, 100))
    receiver = HttpReceiver(keeper, Ledger(store), decode, ClockRule())
    bells = Bells()
    hub = Hub(
        store, bells.on(BATCH, RIGHTS), bells.on(RIGHTS), receiver.receive, is_password,
        PAYLOAD_BYTES, max_limit=1000, stream_s=30, secure_cookies=False, version="test",
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bells.listen(database_url))
        yield hub
        task.cancel()


@pytest.fixture
async def http(hub):
    transport = httpx.ASGITransport(create_app(hub), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


def as_(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def noon_readings(db, city, make):
    """A reading a minute for the last two hours of each noise device, and one of the bus."""
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        make.reading(city.streams[name], now - timedelta(minutes=minute), 40.0 + minute / 10)
        for name in [("noise-1", "laeq"), ("noise-1", "no2"), ("noise-2", "laeq"),
                     ("private-1", "laeq")]
        for minute in range(120)
    ]  # fmt: skip
    bus = make.reading(city.streams["bus-1", "laeq"], now, lon=17.951234, lat=59.456789)
    status = make.reading(city.streams["noise-3", "status"], now, None, text="=open,\n")
    await make.store_readings(db, *rows, bus, status)
    return now


class TestWhoAsks:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("feed", ["noise", "secret", "nothing"])
    async def test_a_stranger_without_a_key_hears_the_same_of_every_closed_feed(
        self, http, feed, path
    ):
        answer = await http.get(f"/api/v1/feeds/{feed}{path}")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert feed not in answer.text

    @pytest.mark.parametrize(
        "header",
        ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer stn_aaaaaaaa_" + "a" * 40, "x"],
    )
    async def test_a_wrong_credential_is_not_taken_for_none(self, http, header):
        answer = await http.get("/api/v1/feeds/open", headers={"Authorization": header})
        assert answer.status_code == 401

    async def test_a_key_without_the_scope_is_forbidden(self, http, city):
        for path in ("/api/v1/feeds", "/api/v1/feeds/noise", "/api/v1/feeds/noise/stream",
                     "/api/v1/feeds/nothing"):  # fmt: skip
            answer = await http.get(path, headers=as_(city.keys["writer"]))
            assert answer.status_code == 403
            assert "feeds:read" in answer.json()["detail"]

    @pytest.mark.parametrize("path", PATHS)
    async def test_without_an_agreement_a_feed_does_not_exist(self, http, city, path):
        known = await http.get(f"/api/v1/feeds/secret{path}", headers=as_(city.keys["traffic"]))
        unknown = await http.get(f"/api/v1/feeds/nothing{path}", headers=as_(city.keys["traffic"]))
        assert known.status_code == unknown.status_code == 404
        assert known.text.replace("secret", "") == unknown.text.replace("nothing", "")

    async def test_everyone_sees_their_own_list(self, http, city):
        async def listed(**headers):
            answer = await http.get("/api/v1/feeds", headers=headers)
            return [feed["id"] for feed in answer.json()["feeds"]]

        assert await listed() == ["open"]
        assert await listed(**as_(city.keys["stranger"])) == ["open"]
        assert await listed(**as_(city.keys["traffic"])) == ["noise", "open"]
        assert await listed(**as_(city.keys["environment"])) == ["noise", "open", "secret"]

    async def test_an_open_feed_is_read_without_a_key(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest")
        assert answer.status_code == 200
        assert len(answer.json()["readings"]) == 4

    async def test_a_revoked_key_is_none(self, http, db, city):
        key = city.keys["traffic"]
        await sharing.revoke_key(db, key[4:12])
        assert (await http.get("/api/v1/feeds", headers=as_(key))).status_code == 401

    async def test_an_expired_key_is_none(self, http, db, city):
        await db.execute("update api_key set expires_at = now()")
        answer = await http.get("/api/v1/feeds", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 401
        assert "expired" in answer.json()["detail"]

    async def test_a_revoked_agreement_is_none(self, http, db, city):
        await db.execute("update agreement set state = 'revoked' where consumer = 'traffic'")
        answer = await http.get("/api/v1/feeds/noise", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 404


class TestShape:
    async def test_the_feed_says_what_may_be_read(self, http, city):
        answer = await http.get("/api/v1/feeds/noise", headers=as_(city.keys["region"]))
        access = answer.json()["access"]
        assert access["properties"] == ["no2"]
        assert (access["delay"], access["history"]) == ("PT1H", "P30D")

    async def test_a_property_outside_the_agreement_does_not_exist(self, http, city, noon_readings):
        headers = as_(city.keys["region"])
        streams = await http.get("/api/v1/feeds/noise/datastreams", headers=headers)
        assert {s["property"] for s in streams.json()["datastreams"]} == {"no2"}
        rows = (await http.get("/api/v1/feeds/noise/readings", headers=headers)).json()
        assert {row["property"] for row in rows["readings"]} == {"no2"}
        answer = await http.get("/api/v1/feeds/noise/latest?property=laeq", headers=headers)
        assert answer.status_code == 404

    async def test_nothing_is_younger_than_the_delay(self, http, city, noon_readings):
        rows = await http.get("/api/v1/feeds/noise/latest", headers=as_(city.keys["region"]))
        [row] = rows.json()["readings"]
        assert datetime.fromisoformat(row["time"]) <= datetime.now(UTC) - timedelta(hours=1)

    @pytest.mark.parametrize("resolution", ["raw", "PT1M", "PT14M59S"])
    async def test_a_finer_resolution_is_refused_with_what_would_be_right(
        self, http, city, resolution
    ):
        answer = await http.get(
            f"/api/v1/feeds/noise/readings?resolution={resolution}",
            headers=as_(city.keys["property"]),
        )
        assert answer.status_code == 403
        assert "PT15M" in answer.json()["detail"]
        assert answer.json()["type"].endswith("outside-grant")

    async def test_aggregates_are_answered_by_themselves_and_positions_are_rounded(
        self, http, city, noon_readings
    ):
        answer = await http.get("/api/v1/feeds/noise/readings", headers=as_(city.keys["property"]))
        body = answer.json()
        assert body["resolution"] == "PT15M"
        assert {"mean", "min", "max", "count"} <= body["readings"][0].keys()
        assert "value" not in body["readings"][0]
        assert {len(str(row["position"][0]).split(".")[1]) for row in body["readings"]
                if row["position"]} == {3}  # fmt: skip
        assert body["to"] <= datetime.now(UTC).isoformat()

    async def test_a_stream_of_aggregates_is_refused_with_what_to_do(self, http, city):
        answer = await http.get("/api/v1/feeds/noise/stream", headers=as_(city.keys["property"]))
        assert answer.status_code == 403
        assert "resolution=PT15M" in answer.json()["detail"]


class TestAsking:
    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("limit=1000000000", "1 to 1000"),
            ("limit=0", "1 to 1000"),
            ("limit=-1", "1 to 1000"),
            ("limit=x", "1 to 1000"),
            ("limit=00000000000199999999", "1 to 1000"),
            ("limit=000000000001" + "9" * 5000, "1 to 1000"),
            ("resolution=P10000D", "366 days"),
            ("cursor=%C3%A5", "next"),
            ("cursor=MS4x.", "next"),
            ("cursor=OTk5OTk5OTk5OTk5LjE", "next"),
            ("cursor=MS45OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "next"),
            ("from=2026-11-23T09:00:00Z&to=2026-11-22T09:00:00Z", "before"),
            ("from=yesterday", "ISO 8601"),
            ("from=2026-11-23T09:00:00", "offset"),
            ("from=0001-01-01T00:00:00%2B10:00", "years"),
            ("resolution=15M", "PT15M"),
            ("resolution=P1M", "PT15M"),
            ("resolution=P99999D", "366 days"),
            ("resolution=PT1S&from=2000-01-01T00:00:00Z", "coarser"),
            ("bbox=1,2,3", "west,south,east,north"),
            ("bbox=nan,0,1,1", "west,south,east,north"),
            ("bbox=10,0,1,1", "west before east"),
            ("format=xml", "json, csv, geojson"),
            ("aggregate=median", "mean, min, max, count"),
            ("datastream=x", "datastream"),
        ],
    )
    async def test_what_makes_no_sense_is_told_with_what_would(self, http, query, told):
        answer = await http.get(f"/api/v1/feeds/open/readings?{query}")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert told in answer.json()["detail"]

    async def test_an_unknown_property_is_told_with_those_that_are(self, http):
        answer = await http.get("/api/v1/feeds/open/readings?property=pm10")
        assert answer.status_code == 404
        assert "laeq" in answer.json()["detail"]

    async def test_a_plus_that_the_url_ate_is_understood(self, http):
        answer = await http.get("/api/v1/feeds/open/readings?from=2026-11-20T09:00:00+01:00")
        assert answer.json()["from"] == "2026-11-20T08:00:00Z"

    async def test_pages_walk_through_everything_once(self, http, noon_readings):
        url, seen = "/api/v1/feeds/open/readings?limit=100&property=laeq", []
        while url:
            answer = await http.get(url)
            seen += [(row["datastream"], row["time"]) for row in answer.json()["readings"]]
            url = answer.json()["next"]
            link = answer.headers.get("link")
            assert link == (f'<{url}>; rel="next"' if url else None)
        assert len(seen) == len(set(seen)) == 240
        assert seen == sorted(seen)

    async def test_a_box_selects_by_position(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest?bbox=17.9515,59,17.9525,60")
        assert {row["device"] for row in answer.json()["readings"]} == {"noise-2"}

    async def test_the_hour_is_the_mean_of_its_minutes(self, http, noon_readings):
        answer = await http.get(
            "/api/v1/feeds/open/readings?resolution=PT1H&aggregate=mean,count&property=no2"
        )
        rows = answer.json()["readings"]
        assert sum(row["count"] for row in rows) == 120
        assert "max" not in rows[0]


class TestFormats:
    async def test_csv_has_a_header_and_a_row_each(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert {row["device"] for row in rows} == {"noise-1", "noise-2", "noise-3"}
        [status] = [row for row in rows if row["property"] == "status"]
        assert status["value"] == "'=open,\n", "a spreadsheet must not run what a device sends"

    async def test_geojson_is_a_feature_each(self, http, city, noon_readings):
        answer = await http.get(
            "/api/v1/feeds/noise/latest?format=geojson", headers=as_(city.keys["traffic"])
        )
        assert answer.headers["content-type"] == "application/geo+json"
        body = answer.json()
        assert body["type"] == "FeatureCollection"
        [bus] = [f for f in body["features"] if f["properties"]["device"] == "bus-1"]
        assert bus["geometry"] == {"type": "Point", "coordinates": [17.951234, 59.456789]}

    async def test_an_empty_answer_is_valid_in_every_format(self, http):
        for name in ("json", "csv", "geojson"):
            answer = await http.get(f"/api/v1/feeds/open/readings?format={name}")
            assert answer.status_code == 200
            if name != "csv":
                json.loads(answer.text)


def basic(device, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{device}:{password}".encode()).decode()}


class TestPosting:
    body = b'{"time": "2026-11-20T09:00:00Z", "values": {"laeq": 55.5}}'

    async def test_nobody_posts_without_a_credential(self, http, city):
        answer = await http.post("/api/v1/readings?device=noise-1", content=self.body)
        assert answer.status_code == 401

    async def test_a_key_without_the_scope_is_forbidden(self, http, db, city, make):
        reader = await make.key(db, "environment", Scope.READ)
        answer = await http.post(
            "/api/v1/readings?device=noise-1", content=self.body, headers=as_(reader)
        )
        assert answer.status_code == 403

    @pytest.mark.parametrize("device", ["noise-1", "nothing-1"])
    async def test_a_device_of_somebody_else_does_not_exist(self, http, city, device):
        answer = await http.post(
            f"/api/v1/readings?device={device}", content=self.body,
            headers=as_(city.keys["traffic"]),
        )  # fmt: skip
        assert answer.status_code == 404

    @pytest.mark.parametrize(
        ("device", "password"), [("noise-1", "wrong"), ("nothing", "x"), ("", "")]
    )
    async def test_a_wrong_device_password_is_refused(self, http, city, device, password):
        answer = await http.post(
            "/api/v1/readings", content=self.body, headers=basic(device, password)
        )
        assert answer.status_code == 401

    async def test_a_device_hands_in_its_own_readings_only(self, http, city, make):
        signed_in = basic("noise-1", make.device_password)
        answer = await http.post(
            "/api/v1/readings?device=noise-2", content=self.body, headers=signed_in
        )
        assert answer.status_code == 403

    async def test_what_is_posted_is_stored_when_the_answer_comes(self, http, db, city, make):
        signed_in = basic("noise-1", make.device_password)
        for expected in ({"stored": 1, "duplicates": 0}, {"stored": 0, "duplicates": 1}):
            answer = await http.post("/api/v1/readings", content=self.body, headers=signed_in)
            assert answer.status_code == 200
            assert answer.json() | expected == answer.json()
        assert await db.fetchval("select value from reading") == 55.5

    async def test_a_device_registered_a_moment_ago_is_known(self, http, db, city):
        await db.execute("insert into device (id, organisation, kind, name) "
                         "values ('new-1', 'environment', 'noise', 'New')")  # fmt: skip
        await db.execute("insert into datastream (device, property) values ('new-1', 'laeq')")
        answer = await http.post(
            "/api/v1/readings?device=new-1", content=self.body, headers=as_(city.keys["writer"])
        )
        assert answer.json()["stored"] == 1

    async def test_one_bad_value_costs_itself_alone(self, http, city):
        answer = await http.post(
            "/api/v1/readings?device=noise-1", content=b'{"values": {"laeq": 50, "x": 1}}',
            headers=as_(city.keys["writer"]),
        )  # fmt: skip
        assert answer.status_code == 200
        assert answer.json()["stored"] == 1
        assert answer.json()["rejections"][0]["reason"] == "unknown_property"

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"", 422, "empty"),
            (b"{", 422, "not_json"),
            (b'{"values": {"laeq": "loud"}}', 422, "wrong_type"),
            (b'{"values": {"laeq": 1}}' + b" " * PAYLOAD_BYTES, 413, "too_large"),
        ],
    )
    async def test_a_body_that_gives_nothing_is_a_problem_and_kept(
        self, http, db, city, body, status, reason
    ):
        answer = await http.post(
            "/api/v1/readings?device=noise-1", content=body, headers=as_(city.keys["writer"])
        )
        assert answer.status_code == status
        assert answer.json()["rejections"][0]["reason"] == reason
        assert await db.fetchval("select reason from rejection") == reason

    async def test_a_cookie_may_read_but_not_hand_in(self, http, city):
        cookie = {"Cookie": f"stadsnav_key={city.keys['environment']}"}
        assert (await http.get("/api/v1/feeds/noise", headers=cookie)).status_code == 200
        answer = await http.post(
            "/api/v1/readings?device=noise-1", content=self.body, headers=cookie
        )
        assert answer.status_code == 401

    @pytest.mark.parametrize("device", ["%00", "a%2Fb"])
    async def test_what_is_no_id_is_nobody_s(self, http, city, device):
        headers = as_(city.keys["writer"])
        answer = await http.post(
            f"/api/v1/readings?device={device}", content=self.body, headers=headers
        )
        assert answer.status_code == 404
        feed = await http.get("/api/v1/feeds/%00", headers=as_(city.keys["traffic"]))
        assert feed.status_code == 404


class TestConnectors:
    async def test_nobody_looks_without_a_key(self, http):
        assert (await http.get("/api/v1/connectors")).status_code == 401

    async def test_a_reader_s_key_is_not_enough(self, http, db, make, city):
        reader = await make.key(db, "traffic", Scope.READ, Scope.WRITE)
        answer = await http.get("/api/v1/connectors", headers=as_(reader))
        assert answer.status_code == 403

    async def test_an_operator_sees_what_became_of_everything(self, http, db, make, city):
        await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"]))
        await http.post(
            "/api/v1/readings?device=noise-1", content=b"{", headers=as_(city.keys["writer"])
        )
        await operation.report_process(
            db, "ingest-1", "test", connected=True, in_flight=3, qos0_dropped=0
        )
        operator = await make.key(db, "environment", Scope.OPERATE)
        answer = await http.get("/api/v1/connectors", headers=as_(operator))
        found = {row["id"]: row for row in answer.json()["connectors"]}
        assert (found["test"]["received"], found["test"]["stored"]) == (1, 1)
        assert found["test"]["in_flight"] == 3
        assert found["test"]["processes"][0]["connected"] is True
        assert found["test"]["rate_per_s"] > 0
        assert found["http"]["rejected_last_day"] == {"not_json": 1}

    async def test_an_operator_sees_what_was_rejected_by_page(self, http, db, make, city):
        for body in (b"{", b"[]", b"{"):
            await http.post(
                "/api/v1/readings?device=noise-1", content=body, headers=as_(city.keys["writer"])
            )
        assert (await http.get("/api/v1/rejections")).status_code == 401
        reader = await make.key(db, "traffic", Scope.READ)
        refused = await http.get("/api/v1/rejections", headers=as_(reader))
        assert refused.status_code == 403
        headers = as_(await make.key(db, "environment", Scope.OPERATE))
        first = (await http.get("/api/v1/rejections?limit=2", headers=headers)).json()
        assert [row["reason"] for row in first["rejections"]] == ["not_json", "empty"]
        rest = await http.get(f"/api/v1/rejections?limit=2&before={first['next']}", headers=headers)
        assert [row["reason"] for row in rest.json()["rejections"]] == ["not_json"]
        assert rest.json()["next"] is None
        empty = await http.get("/api/v1/rejections?reason=empty&device=noise-1", headers=headers)
        assert len(empty.json()["rejections"]) == 1
        bad = await http.get("/api/v1/rejections?reason=x", headers=headers)
        assert bad.status_code == 400


class TestOperation:
    async def test_alive_ready_and_measured(self, http, noon_readings):
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        assert (await http.get("/readyz")).json() == {"status": "ready"}
        metrics = (await http.get("/metrics")).text
        assert 'stadsnav_ingest_stored_total{connector="test"} 482.0' in metrics

    async def test_not_ready_without_its_migrations(self, http, db):
        await db.execute("delete from schema_migration where number = 5")
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert "stadsnav migrate" in answer.json()["detail"]

    @pytest.mark.parametrize("path", ["/nothing", "/api/v1/", "/api/v2/feeds"])
    async def test_what_is_not_there_is_a_problem_too(self, http, path):
        answer = await http.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_another_method_is_a_problem_too(self, http):
        answer = await http.delete("/api/v1/feeds")
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_no_failure_tells_what_happened_inside(self, http, db, city):
        await db.execute("alter table feed rename to feed_gone")
        answer = await http.get("/api/v1/feeds")
        assert answer.status_code == 500
        assert "feed" not in answer.json()["detail"]

    async def test_the_description_of_the_api_is_there(self, http):
        paths = (await http.get("/openapi.json")).json()["paths"]
        assert {"/api/v1/feeds", "/api/v1/feeds/{feed}/stream", "/api/v1/readings"} <= paths.keys()
        assert (await http.get("/docs")).status_code == 200


class Events:
    """Reads server-sent events from a stream driven without a server."""

    def __init__(self, pieces):
        self._pieces = pieces

    async def next(self, *names):
        async with asyncio.timeout(10):
            while True:
                piece = (await anext(self._pieces)).decode()
                fields = dict(line.split(": ", 1) for line in piece.splitlines() if ": " in line)
                if fields["event"] in names:
                    return int(fields["id"]), json.loads(fields["data"])


@asynccontextmanager
async def following(hub, key, feed, position=None):
    from hub.api.stream import (  # noqa: PLC0415
        Subscription,
        begin_at,
        follow,
        open_subscription,
    )
    from hub.domain.queries import ReadingQuery  # noqa: PLC0415

    subscription = Subscription(key, feed, ReadingQuery())
    opened = await open_subscription(hub, subscription)
    begun = await begin_at(hub, None if position is None else str(position))
    pieces = follow(hub, subscription, opened, begun)
    try:
        yield Events(pieces)
    finally:
        await pieces.aclose()


class TestStream:
    async def test_what_is_stored_comes_and_a_resumed_stream_has_no_gap(self, hub, db, city, make):
        stream = city.streams["noise-1", "laeq"]
        times = [make.noon + timedelta(seconds=n) for n in range(6)]
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await make.store_readings(db, make.reading(stream, times[0], 1.0))
            position, [row] = await events.next("readings")
            assert (row["device"], row["value"]) == ("noise-1", 1.0)
        for number in range(1, 6):
            await make.store_readings(db, make.reading(stream, times[number], float(number + 1)))
        async with following(hub, city.keys["traffic"], "noise", position) as events:
            _, rows = await events.next("readings")
        assert [row["value"] for row in rows] == [2.0, 3.0, 4.0, 5.0, 6.0]

    async def test_only_the_feed_s_own_readings_come(self, hub, db, city, make):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await make.store_readings(db, make.reading(city.streams["private-1", "laeq"]))
            await make.store_readings(db, make.reading(city.streams["noise-2", "laeq"]))
            _, [row] = await events.next("readings")
        assert row["device"] == "noise-2"

    async def test_it_ends_when_the_agreement_does(self, hub, db, city):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            for agreement in await sharing.all_agreements(db):
                if agreement.consumer == "traffic":
                    await sharing.set_agreement_state(db, agreement.id, AgreementState.REVOKED)
            async with asyncio.timeout(5):
                await events.next("end")

    async def test_it_ends_when_the_key_is_revoked(self, hub, db, city):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await sharing.revoke_key(db, city.keys["traffic"][4:12])
            async with asyncio.timeout(5):
                await events.next("end")

    async def test_it_ends_when_the_agreement_runs_out(self, hub, db, city):
        await db.execute(
            "update agreement set valid_until = now() + interval '1 second' "
            "where consumer = 'traffic'"
        )
        async with following(hub, city.keys["traffic"], "noise") as events:
            async with asyncio.timeout(6):
                await events.next("end")

    async def test_a_delayed_right_gets_every_reading_once_it_is_old_enough(
        self, hub, db, city, make
    ):
        await db.execute("update agreement set delay = interval '2 s' where consumer = 'region'")
        stream = city.streams["noise-1", "no2"]
        async with following(hub, city.keys["region"], "noise") as events:
            await events.next("ready")
            stored_at = datetime.now(UTC)
            await make.store_readings(db, make.reading(stream, stored_at))
            _, [row] = await events.next("readings")
            assert datetime.now(UTC) - stored_at >= timedelta(seconds=2)
        assert row["time"].startswith(stored_at.isoformat()[:19])

    async def test_it_beats_while_others_are_busy_and_its_position_moves_on(
        self, hub, db, city, make, monkeypatch
    ):
        monkeypatch.setattr("hub.api.stream.HEARTBEAT_S", 0.3)
        async with following(hub, city.keys["traffic"], "noise") as events:
            begun, _ = await events.next("ready")

            async def be_busy():
                for number in itertools.count():
                    at = make.noon + timedelta(seconds=number)
                    await make.store_readings(
                        db, make.reading(city.streams["private-1", "laeq"], at)
                    )

            busy = asyncio.create_task(be_busy())
            position, _ = await events.next("heartbeat")
            busy.cancel()
            assert position > begun

    @pytest.mark.parametrize("text", ["x", "-1", "1e9", "9" * 30])
    async def test_a_position_that_is_none_is_refused(self, http, city, text):
        answer = await http.get("/api/v1/feeds/open/stream", headers={"Last-Event-ID": text})
        assert answer.status_code == 400
