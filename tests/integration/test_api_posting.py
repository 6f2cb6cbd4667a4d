"""May readings be handed in over HTTP, by whom, and what is the answer?"""

import base64

import pytest

from hub.domain.sharing import Scope
from hub.storage.rejections import Filter

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


class TestPostingOtherFormats:
    """The city's writer is of the environment, whose devices are noise-1 to noise-3."""

    def senml(self, device, value=55.5):
        return b'[{"bn": "%s:", "bt": 1763629200, "n": "laeq", "v": %g}]' % (device, value)

    def uplink(self, device):
        return {
            "end_device_ids": {"device_id": device},
            "uplink_message": {
                "f_port": 1, "received_at": "2026-11-20T09:00:00Z", "decoded_payload": {"laeq": 55},
            },
        }  # fmt: skip

    async def test_the_content_type_says_what_the_body_speaks(self, http, db, city, make):
        answer = await http.post(
            "/api/v1/readings", content=self.senml(b"noise-1"),
            headers=basic("noise-1", make.device_password)
            | {"Content-Type": "application/senml+json; charset=utf-8"},
        )  # fmt: skip
        assert answer.json()["stored"] == 1, answer.text
        assert await db.fetchval("select value from reading") == 55.5

    async def test_a_format_that_is_named_comes_before_the_content_type(self, http, city):
        answer = await http.post(
            "/api/v1/readings?device=noise-1&format=csv", content=b"laeq\n55\n",
            headers=as_(city.keys["writer"]) | {"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.json()["stored"] == 1, answer.text

    async def test_a_device_speaks_for_itself_alone_in_every_format(self, http, db, city, make):
        answer = await http.post(
            "/api/v1/readings?format=senml", content=self.senml(b"noise-2"),
            headers=basic("noise-1", make.device_password),
        )  # fmt: skip
        assert answer.status_code == 422
        assert answer.json()["rejections"][0]["reason"] == "wrong_device"
        assert await db.fetchval("select count(*) from reading") == 0

    async def test_a_network_server_hands_in_for_all_devices_of_its_organisation(
        self, http, db, city
    ):
        for device in ("noise-1", "noise-2"):
            answer = await http.post(
                "/api/v1/readings?format=ttn", json=self.uplink(device),
                headers=as_(city.keys["writer"]),
            )  # fmt: skip
            assert answer.json()["stored"] == 1, answer.text

    async def test_and_for_nobody_else_s(self, http, db, city, make):
        key = await make.key(db, "traffic", Scope.WRITE)
        answer = await http.post(
            "/api/v1/readings?format=ttn", json=self.uplink("noise-1"), headers=as_(key)
        )
        assert answer.status_code == 422
        assert answer.json()["rejections"][0]["reason"] == "unknown_device"
        assert await db.fetchval("select count(*) from reading") == 0

    async def test_a_join_holds_no_readings_and_is_no_fault(self, http, city):
        answer = await http.post(
            "/api/v1/readings?format=ttn", headers=as_(city.keys["writer"]),
            json={"end_device_ids": {"device_id": "noise-1"}, "join_accept": {}},
        )  # fmt: skip
        assert answer.status_code == 200
        assert answer.json()["received"] == 0

    @pytest.mark.parametrize(
        "name", ["nothing", "/etc/passwd.toml", "cloudevents+/etc/x.toml", "sparkplug", "ttn+x"]
    )
    async def test_what_is_no_format_for_everyone_is_refused(self, http, city, name):
        answer = await http.post(
            "/api/v1/readings", params={"device": "noise-1", "format": name},
            content=b"x", headers=as_(city.keys["writer"]),
        )  # fmt: skip
        assert answer.status_code == 400, answer.text

    async def test_native_without_a_device_is_refused(self, http, city):
        answer = await http.post(
            "/api/v1/readings", json={"values": {"laeq": 55}}, headers=as_(city.keys["writer"])
        )
        assert answer.status_code == 400
        assert "?device=" in answer.json()["detail"]

    async def test_what_was_rejected_is_replayed_in_the_format_it_came_in(
        self, http, hub, db, city
    ):
        headers = as_(city.keys["writer"])
        body = b'[{"bn": "noise-1:", "bt": 1763629200, "n": "pm10", "v": 7}]'
        for query in ("format=senml&device=noise-1", "format=senml"):
            answer = await http.post(f"/api/v1/readings?{query}", content=body, headers=headers)
            assert answer.status_code == 422
        await db.execute(
            "insert into observed_property (id, name, unit) values ('pm10', 'PM10', 'ug/m3')"
        )
        await db.execute("insert into datastream (device, property) values ('noise-1', 'pm10')")
        told = await hub.replay(Filter(device="noise-1"), 0, None)
        assert (told.messages, told.stored) == (1, 1)
        told = await hub.replay(Filter(), 0, None)
        assert (told.messages, told.duplicates) == (1, 1)
        assert await db.fetchval("select count(*) from rejection") == 0
