"""May readings be handed in over HTTP, by whom, and what is the answer?"""

import base64

import pytest

from hub.domain.sharing import Scope

PAYLOAD_BYTES = 4096  # as in conftest.py


def as_(key):
    return {"Authorization": f"Bearer {key}"}


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
