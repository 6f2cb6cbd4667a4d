"""What do operators see of the way in, and of the process itself?"""

import pytest

from hub.commands import replaying
from hub.domain.sharing import Scope
from hub.storage import ledger, operation, registry


def as_(key):
    return {"Authorization": f"Bearer {key}"}


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


class TestReplay:
    @pytest.fixture
    async def operator(self, db, make, city):
        return as_(await make.key(db, "environment", Scope.OPERATE))

    @pytest.fixture
    async def rejected(self, http, db, city):
        """Five messages of a property that noise-2 does not have yet, and one that nobody mends."""
        headers = as_(city.keys["writer"])
        for number in range(5):
            body = f'{{"time": "2026-11-20T12:00:0{number}Z", "values": {{"no2": {number}}}}}'
            await http.post("/api/v1/readings?device=noise-2", content=body, headers=headers)
        await http.post("/api/v1/readings?device=noise-2", content="{", headers=headers)
        rows = await db.fetch("select id from rejection order by id")
        return [row["id"] for row in rows]

    @pytest.mark.parametrize("path", ["/api/v1/rejections:replay", "/api/v1/rejections/1:replay"])
    async def test_identity_first(self, http, db, make, city, path):
        assert (await http.post(path)).status_code == 401
        reader = as_(await make.key(db, "traffic", Scope.READ, Scope.WRITE))
        assert (await http.post(path, headers=reader)).status_code == 403
        assert (await http.get("/api/v1/rejections/1", headers=reader)).status_code == 403

    async def test_one_is_shown_with_its_payload(self, http, operator, rejected):
        answer = await http.get(f"/api/v1/rejections/{rejected[-1]}", headers=operator)
        assert (answer.json()["reason"], answer.json()["payload"]) == ("not_json", "ew==")
        nothing = await http.get("/api/v1/rejections/999", headers=operator)
        assert nothing.status_code == 404

    async def test_one_is_replayed_once(self, http, db, operator, rejected):
        await registry.add_datastreams(db, "noise-2", ["no2"])
        path = f"/api/v1/rejections/{rejected[0]}:replay"
        answer = await http.post(path, headers=operator)
        assert answer.json() == {"messages": 1, "stored": 1, "duplicates": 0, "rejected": 0}
        assert (await http.post(path, headers=operator)).status_code == 404
        assert await db.fetchval("select count(*) from rejection") == len(rejected) - 1

    async def test_all_are_replayed_a_commit_at_a_time(
        self, http, db, operator, rejected, monkeypatch
    ):
        monkeypatch.setattr(replaying, "AT_A_TIME", 2)
        await registry.add_datastreams(db, "noise-2", ["no2"])
        steps, cursor = [], None
        while not steps or cursor:
            asked = {"cursor": cursor} if cursor else {}
            answer = await http.post("/api/v1/rejections:replay", params=asked, headers=operator)
            steps.append(answer.json())
            cursor = steps[-1]["next"]
        assert [step["stored"] for step in steps] == [2, 2, 1, 0]
        assert [step["rejected"] for step in steps] == [0, 0, 1, 0]
        assert [step["remaining"] for step in steps] == [4, 2, 0, 0]
        [again] = await db.fetch("select reason, connector from rejection")
        assert tuple(again) == ("not_json", "replay")
        assert await ledger.broken_batch(db) is None

    async def test_a_filter_selects_what_is_replayed(self, http, db, operator, rejected):
        asked = {"reason": "not_json", "device": "noise-2"}
        answer = await http.post("/api/v1/rejections:replay", params=asked, headers=operator)
        assert (answer.json()["messages"], answer.json()["remaining"]) == (1, 0)

    async def test_a_cursor_that_is_none_is_refused(self, http, operator):
        for cursor in ("1", "a-b", "1-2-3"):
            answer = await http.post(
                "/api/v1/rejections:replay", params={"cursor": cursor}, headers=operator
            )
            assert answer.status_code == 400


class TestOperation:
    async def test_prometheus_sees_what_status_shows(self, http, db, make, city):
        await make.store_readings(db, make.reading(city.streams["noise-1", "laeq"]))
        await operation.report_process(
            db, "ingest-1", "test", connected=True, in_flight=3, qos0_dropped=7
        )
        told = (await http.get("/metrics")).text.splitlines()
        assert 'stadsnav_ingest_stored_total{connector="test"} 1.0' in told
        for name, value in (("connected", 1), ("in_flight", 3), ("qos0_dropped", 7)):
            labels = 'client_id="ingest-1",connector="test"'
            assert f"stadsnav_ingest_{name}{{{labels}}} {value}.0" in told
        for name in ("rate", "lag_seconds", "last_message_timestamp_seconds"):
            assert any(line.startswith(f"stadsnav_ingest_{name}{{") for line in told), name

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
