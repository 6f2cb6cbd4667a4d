"""Are devices registered, given passwords and taken out over HTTP, by those who may?"""

from datetime import UTC, datetime, timedelta

import pytest

from hub.api.context import BrokerHook
from hub.broker.access import hash_password, is_password
from hub.domain.people import Person, Role
from hub.domain.sharing import Scope
from hub.sharing.keys import new_key
from hub.storage import people, registry

DEVICES = "/api/v1/devices"
NEW = {"id": "noise-9", "observes": ["laeq"], "kind": "noise", "position": [17.9, 59.4]}


@pytest.fixture
async def manager(db, city, make):
    key = await make.key(db, "environment", Scope.MANAGE)
    return {"Authorization": f"Bearer {key}"}


async def technician(db, organisation="environment", role=Role.TECHNICIAN):
    fresh, name = new_key(), f"{organisation}-{role}"
    await people.add(db, Person(name, name))
    await people.set_roles(db, name, organisation, [role])
    await people.add_key(
        db, name, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
    )
    return {"Authorization": f"Bearer {fresh.key}"}


async def post(http, who, path, expected=200, **body):
    answer = await http.post(f"{DEVICES}{path}", json=body, headers=who)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def valid(db, device, *passwords):
    """Tell of each password whether the device may sign in with it."""
    hashes = (await registry.hashes(db, device)).values()
    return [any(is_password(password, hashed) for hashed in hashes) for password in passwords]


class TestRegistering:
    async def test_the_password_is_shown_once_and_stored_hashed(self, http, manager, db):
        made = await post(http, manager, "", 201, **NEW)
        assert made["topic"] == "v1/devices/noise-9/readings"
        assert await valid(db, "noise-9", made["password"], "guess") == [True, False]
        told = (await http.get(f"{DEVICES}/noise-9", headers=manager)).text
        assert made["password"] not in told
        assert "$7$" not in told
        dump = str(await db.fetch("select * from device_credential, idempotency"))
        assert made["password"] not in dump

    async def test_a_repeated_request_makes_no_second_device_and_shows_nothing(
        self, http, manager, db
    ):
        headers = manager | {"Idempotency-Key": "one"}
        first = (await http.post(DEVICES, json=NEW, headers=headers)).json()
        again = await http.post(DEVICES, json=NEW, headers=headers)
        assert again.status_code == 201
        assert again.json() == first | {"password": None}
        for table in await db.fetch("select to_jsonb(i) as row from idempotency i"):
            assert first["password"] not in str(table["row"])

    async def test_many_at_once_are_all_registered_or_none(self, http, manager, db):
        many = [NEW | {"id": f"many-{n}"} for n in range(200)]
        made = (await post(http, manager, ":provision", 201, devices=many))["devices"]
        assert len({one["password"] for one in made}) == 200
        assert all(await valid(db, "many-7", made[7]["password"]))
        taken = [NEW | {"id": "new-1"}, NEW | {"id": "many-3"}]
        refused = await post(http, manager, ":provision", 409, devices=taken)
        assert "registered already: many-3" in refused["detail"]
        assert await db.fetchval("select count(*) from device where id = 'new-1'") == 0
        unknown = [NEW | {"id": "new-1"}, NEW | {"id": "new-2", "observes": ["gold"]}]
        assert "gold" in (await post(http, manager, ":provision", 404, devices=unknown))["detail"]
        assert await db.fetchval("select count(*) from device where id like 'new-%'") == 0
        twice = [NEW | {"id": "new-1"}] * 2
        assert "twice" in (await post(http, manager, ":provision", 400, devices=twice))["detail"]

    async def test_a_technician_may_and_others_may_not(self, http, city, db, make):
        await post(http, await technician(db), "", 201, **NEW)
        officer = await technician(db, role=Role.DATA_OFFICER)
        assert "technician" in (await post(http, officer, "", 403, **NEW))["detail"]
        reader = {"Authorization": f"Bearer {await make.key(db, 'environment', Scope.READ)}"}
        assert (await http.post(DEVICES, json=NEW, headers=reader)).status_code == 403
        assert (await http.get(DEVICES, headers=reader)).status_code == 403
        assert (await http.post(DEVICES, json=NEW)).status_code == 401

    @pytest.mark.parametrize(
        "wrong",
        [
            {"id": "No"}, {"id": "a/b"}, {"id": "#"}, {"id": "stadsnav-hub"}, {"observes": []},
            {"position": [197, 59]}, {"position": [17]}, {"state": "quarantined"}, {"colour": 1},
        ],
        ids=str,
    )  # fmt: skip
    async def test_nonsense_is_refused_and_changes_nothing(self, http, manager, db, wrong):
        before = await db.fetchval("select count(*) from device")
        answer = await http.post(DEVICES, json=NEW | wrong, headers=manager)
        assert answer.status_code in (400, 409, 422)
        assert await db.fetchval("select count(*) from device") == before

    async def test_it_is_on_record(self, http, manager, db):
        await post(http, manager, "", 201, **NEW)
        assert (
            await db.fetchval(
                "select count(*) from audit_event where action = 'device.provision'"
                " and subject = 'device/noise-9'"
            )
            == 1
        )


class TestOwnOnly:
    async def test_one_sees_and_changes_one_s_own(self, http, db, city):
        stranger = await technician(db, "traffic")
        assert (await http.get(DEVICES, headers=stranger)).json()["devices"] == []
        assert (await http.get(f"{DEVICES}/noise-1", headers=stranger)).status_code == 404
        here = await post(http, stranger, "/noise-1:quarantine", 404, reason="mine")
        nowhere = await post(http, stranger, "/nowhere:quarantine", 404, reason="mine")
        assert here["detail"] == nowhere["detail"].replace("nowhere", "noise-1")

    async def test_lists_go_on_where_they_ended(self, http, manager):
        first = (await http.get(f"{DEVICES}?limit=2", headers=manager)).json()
        rest = (await http.get(f"{DEVICES}?after={first['next']}", headers=manager)).json()
        ids = [one["id"] for one in first["devices"] + rest["devices"]]
        assert ids == ["bus-1", "noise-1", "noise-2", "noise-3", "private-1"]
        assert rest["next"] is None


class TestPasswords:
    async def test_two_are_valid_while_one_replaces_the_other(self, http, manager, db, make):
        fresh = await post(http, manager, "/noise-1:rotate", overlap="PT1H")
        assert fresh["user"] == "noise-1@2"
        old, new = make.device_password, fresh["password"]
        assert await valid(db, "noise-1", old, new) == [True, True]
        users, ends = await registry.credentials(db)
        assert {name for name, _ in users} >= {"noise-1", "noise-1@2"}
        assert abs(ends - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)
        refused = await post(http, manager, "/noise-1:rotate", 409)
        assert "two passwords already" in refused["detail"]
        # The clock ends the older one; the next rotation takes its place.
        await db.execute("update device_credential set expires_at = now() where slot = 1")
        assert await valid(db, "noise-1", old, new) == [False, True]
        next_ = await post(http, manager, "/noise-1:rotate", overlap="PT1H")
        assert next_["user"] == "noise-1"
        assert await valid(db, "noise-1", old, new, next_["password"]) == [False, True, True]

    async def test_over_http_either_signs_in_under_the_device_s_own_name(self, http, manager, make):
        fresh = await post(http, manager, "/noise-1:rotate")
        body = {"time": make.noon.isoformat(), "values": {"laeq": 50}}
        for user, password, expected in (
            ("noise-1", make.device_password, 200),
            ("noise-1", fresh["password"], 200),
            ("noise-1@2", fresh["password"], 200),
            ("noise-1", "guess", 401),
        ):
            answer = await http.post("/api/v1/readings", json=body, auth=(user, password))
            assert answer.status_code == expected

    async def test_renewing_ends_the_others_at_once(self, http, manager, db, make):
        other = (await post(http, manager, "/noise-1:rotate"))["password"]
        single = (await post(http, manager, "/noise-1:renew"))["password"]
        assert await valid(db, "noise-1", make.device_password, other, single) == [
            False, False, True,
        ]  # fmt: skip

    async def test_revoking_ends_all(self, http, manager, db, make):
        told = await post(http, manager, "/noise-1:revoke")
        assert told["credentials"] == []
        assert await valid(db, "noise-1", make.device_password) == [False]
        assert (await post(http, manager, "/noise-1:rotate"))["other_ends_at"] is None

    async def test_an_overlap_has_an_end(self, http, manager):
        answer = await post(http, manager, "/noise-1:rotate", 400, overlap="P91D")
        assert "P90D" in answer["detail"]


class TestStates:
    async def test_a_quarantine_has_a_reason_and_an_end(self, http, manager, db, make):
        refused = await post(http, manager, "/noise-1:quarantine", 400)
        assert "reason" in refused["detail"]
        told = await post(http, manager, "/noise-1:quarantine", reason="opened by strangers")
        assert (told["state"], told["reason"]) == ("quarantined", "opened by strangers")
        assert await valid(db, "noise-1", make.device_password) == [False]
        quarantined = await http.get(f"{DEVICES}?state=quarantined", headers=manager)
        assert [one["id"] for one in quarantined.json()["devices"]] == ["noise-1"]
        told = await post(http, manager, "/noise-1:release", reason="new lock")
        assert (told["state"], told["reason"]) == ("active", "")
        assert await valid(db, "noise-1", make.device_password) == [True]

    async def test_an_illegal_step_says_what_is_possible(self, http, manager):
        refused = await post(http, manager, "/noise-1:release", 409)
        assert "possible are decommission, maintain, quarantine" in refused["detail"]

    async def test_who_is_out_of_use_stays_so(self, http, manager, db, make):
        await post(http, manager, "/noise-1:decommission")
        assert await valid(db, "noise-1", make.device_password) == [False]
        assert (
            await db.fetchval("select count(*) from device_credential where device='noise-1'") == 0
        )
        assert "for good" in (await post(http, manager, "/noise-1:activate", 409))["detail"]

    async def test_a_device_whose_password_somebody_tries_is_quarantined(self, http, manager, city):
        for _ in range(5):
            answer = await http.post("/api/v1/readings", json={}, auth=("noise-1", "guess"))
            assert answer.status_code == 401
        told = (await http.get(f"{DEVICES}/noise-1", headers=manager)).json()
        assert (told["state"], told["reason"]) == ("quarantined", "repeated failure to sign in")
        for _ in range(10):  # nobody, however often
            await http.post("/api/v1/readings", json={}, auth=("nobody", "guess"))


SECRET = "the-secret-of-the-hook"
ASKING = {"Authorization": f"Bearer {SECRET}"}


class TestBrokerThatAsks:
    """With the members that EMQX 5 sends for its documented placeholders."""

    @pytest.fixture
    async def emqx(self, hub_of, asking, make):
        users = {"stadsnav-hub": hash_password("of the hub")}
        return await asking(hub_of(broker_hook=BrokerHook(SECRET, users)))

    async def signs_in(self, emqx, user, password="", clientid=None, **more):
        body = {
            "clientid": user if clientid is None else clientid, "username": user,
            "password": password, "peerhost": "10.0.0.7", **more,
        }  # fmt: skip
        answer = await emqx.post("/api/v1/broker/authentication", json=body, headers=ASKING)
        assert answer.status_code == 200
        return answer.json()["result"]

    async def may(self, emqx, user, action, topic, **more):
        body = {
            "clientid": user, "username": user, "action": action, "topic": topic, "qos": 1, **more,
        }  # fmt: skip
        answer = await emqx.post("/api/v1/broker/authorization", json=body, headers=ASKING)
        assert answer.status_code == 200
        return answer.json()["result"]

    async def test_devices_and_the_hub_sign_in(self, emqx, make, city):
        assert await self.signs_in(emqx, "noise-1", make.device_password) == "allow"
        assert await self.signs_in(emqx, "noise-1", "guess") == "deny"
        assert await self.signs_in(emqx, "nobody", make.device_password) == "deny"
        assert await self.signs_in(emqx, "", "") == "deny"
        assert await self.signs_in(emqx, "stadsnav-hub", "of the hub") == "allow"
        assert await self.signs_in(emqx, "stadsnav-hub", "guess") == "deny"

    async def test_a_session_belongs_to_its_user(self, emqx, make, city):
        for clientid in ("stadsnav-hub", "noise-2", ""):
            told = await self.signs_in(emqx, "noise-1", make.device_password, clientid)
            assert told == "deny"

    async def test_a_certificate_is_for_the_device_it_names(self, emqx, city, db):
        assert await self.signs_in(emqx, "noise-1", cert_common_name="noise-1") == "allow"
        assert await self.signs_in(emqx, "noise-1", cert_common_name="noise-2") == "deny"
        await db.execute("update device set state = 'quarantined' where id = 'noise-1'")
        assert await self.signs_in(emqx, "noise-1", cert_common_name="noise-1") == "deny"

    async def test_topics_are_a_device_s_own(self, emqx, city, db):
        own = "v1/devices/noise-1/readings"
        assert await self.may(emqx, "noise-1", "publish", own) == "allow"
        assert await self.may(emqx, "noise-1@2", "publish", own) == "allow"
        assert await self.may(emqx, "noise-1", "publish", own, retain=True) == "deny"
        assert await self.may(emqx, "noise-1", "publish", own, retain="true") == "deny"
        assert await self.may(emqx, "noise-2", "publish", own) == "deny"
        assert await self.may(emqx, "noise-1", "subscribe", "#") == "deny"
        assert await self.may(emqx, "nobody", "publish", "v1/devices/nobody/readings") == "deny"
        await db.execute("update device set state = 'quarantined' where id = 'noise-1'")
        assert await self.may(emqx, "noise-1", "publish", own) == "deny"

    async def test_only_the_broker_may_ask(self, emqx, http):
        body = {"clientid": "noise-1", "username": "noise-1", "password": "x"}
        for headers in ({}, {"Authorization": "Bearer guess"}):
            answer = await emqx.post("/api/v1/broker/authentication", json=body, headers=headers)
            assert answer.status_code == 401
        off = await http.post("/api/v1/broker/authentication", json=body, headers=ASKING)
        assert off.status_code == 404
