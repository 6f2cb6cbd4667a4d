"""Do two organisations come to an agreement, with everything on record and nothing else changed?"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.people import Person, Role
from hub.domain.sharing import Scope
from hub.sharing import agreeing
from hub.sharing.keys import new_key
from hub.storage import audit, people
from hub.storage.agreements import AgreementFiles

AGREEMENTS = "/api/v1/agreements"
TERMS = {"purpose": "Speed limits", "legal_basis": "Municipal task"}


def as_(key, **headers):
    return {"Authorization": f"Bearer {key}", **headers}


async def person_key(db, person, organisation, *roles):
    fresh = new_key()
    await people.add(db, Person(person, person.title()))
    await people.set_roles(db, person, organisation, roles)
    await people.add_key(
        db, person, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
    )
    return fresh.key


@pytest.fixture
async def officers(db, city):
    """A data officer each, a steward, an auditor; and `noise` may be asked for."""
    await db.execute("update feed set listed = true where id = 'noise'")
    await db.execute("delete from agreement where feed = 'noise' and consumer <> 'property'")
    found = {
        name: await person_key(db, name, organisation, role)
        for name, organisation, role in (
            ("anna", "environment", Role.DATA_OFFICER),
            ("sten", "environment", Role.STEWARD),
            ("bo", "traffic", Role.DATA_OFFICER),
            ("rut", "region", Role.DATA_OFFICER),
            ("ada", "traffic", Role.AUDITOR),
            ("chef", "environment", Role.HUB_ADMINISTRATOR),
        )
    }
    return {name: as_(key) for name, key in found.items()}


async def take(http, who, agreement, step, expected=200, **body):
    answer = await http.post(f"{AGREEMENTS}/{agreement}:{step}", json=body, headers=who)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def draft(http, who, expected=201, *, feed="noise", terms=TERMS, **body):
    answer = await http.post(AGREEMENTS, json={"feed": feed, "terms": terms, **body}, headers=who)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def activated(http, officers, **terms):
    made = await draft(http, officers["bo"], terms=TERMS | terms)
    for who, step in (("bo", "request"), ("anna", "accept"), ("anna", "activate")):
        made = await take(http, officers[who], made["id"], step)
    return made


async def may_read(http, db, make):
    key = await make.key(db, "traffic", Scope.READ)
    return (await http.get("/api/v1/feeds/noise", headers=as_(key))).status_code == 200


class TestWhoActs:
    async def test_nobody_without_a_key(self, http, city):
        assert (await http.get(AGREEMENTS)).status_code == 401
        assert (await http.get(f"{AGREEMENTS}/1")).status_code == 401
        assert (
            await http.post(AGREEMENTS, json={"feed": "noise", "terms": TERMS})
        ).status_code == 401
        assert (await http.post(f"{AGREEMENTS}/1:revoke")).status_code == 401
        assert (await http.get("/api/v1/audit")).status_code == 401

    async def test_an_application_binds_nobody(self, http, db, make, city):
        key = await make.key(db, "environment")
        await draft(http, as_(key), 403, consumer="traffic")

    async def test_an_auditor_changes_nothing(self, http, officers):
        await draft(http, officers["ada"], 403)

    async def test_a_steward_drafts_and_a_data_officer_binds(self, http, officers):
        made = await draft(http, officers["sten"], consumer="traffic")
        await take(http, officers["sten"], made["id"], "offer", 403)
        await take(http, officers["anna"], made["id"], "offer")

    async def test_who_has_no_part_in_it_does_not_know_of_it(self, http, officers):
        made = await draft(http, officers["bo"])
        await take(http, officers["bo"], made["id"], "request")
        assert (
            await http.get(f"{AGREEMENTS}/{made['id']}", headers=officers["rut"])
        ).status_code == 404
        for step in ("accept", "revoke", "supersede"):
            await take(http, officers["rut"], made["id"], step, 404)
        listed = await http.get(AGREEMENTS, headers=officers["rut"])
        assert made["id"] not in {one["id"] for one in listed.json()["agreements"]}

    async def test_a_draft_is_its_own_side_s_affair(self, http, officers):
        made = await draft(http, officers["bo"])
        path = f"{AGREEMENTS}/{made['id']}"
        assert (await http.get(path, headers=officers["bo"])).status_code == 200
        assert (await http.get(path, headers=officers["anna"])).status_code == 404
        await take(http, officers["anna"], made["id"], "withdraw", 404)
        listed = await http.get(AGREEMENTS, headers=officers["anna"])
        assert made["id"] not in {one["id"] for one in listed.json()["agreements"]}
        events = await http.get("/api/v1/audit", headers=officers["anna"])
        assert events.json()["events"] == []

    @pytest.mark.parametrize("feed", ["secret", "open", "nothing"])
    async def test_a_feed_that_is_not_listed_cannot_be_asked_for(self, http, officers, feed):
        refused = await draft(http, officers["bo"], 404, feed=feed)
        assert refused["detail"] == f"there is no feed '{feed}' that you may ask for"

    async def test_nobody_asks_for_another(self, http, officers):
        await draft(http, officers["bo"], 400, consumer="region")
        await draft(http, officers["anna"], 400)
        await draft(http, officers["anna"], 404, consumer="nowhere")


class TestTheWay:
    async def test_from_request_to_the_right_and_its_end(self, http, db, make, officers):
        assert not await may_read(http, db, make)
        made = await draft(http, officers["bo"])
        await take(http, officers["bo"], made["id"], "request", reason="for the new limits")
        agreed = await take(http, officers["anna"], made["id"], "accept", decision="2026-17")
        assert agreed["approvers"] == {"provider": "person:anna", "consumer": "person:bo"}
        assert not await may_read(http, db, make)
        active = await take(http, officers["anna"], made["id"], "activate")
        assert active["state"] == "active"
        assert await may_read(http, db, make)
        await take(http, officers["anna"], made["id"], "suspend")
        assert not await may_read(http, db, make)
        await take(http, officers["anna"], made["id"], "resume")
        assert await may_read(http, db, make)
        await take(http, officers["bo"], made["id"], "terminate")
        assert not await may_read(http, db, make)
        answer = await http.get(
            "/api/v1/audit", params={"subject": f"agreement/{made['id']}"}, headers=officers["ada"]
        )
        told = [(e["actor"], e["action"], e["reason"], e["decision"]) for e in
                reversed(answer.json()["events"])]  # fmt: skip
        assert told == [
            ("person:bo", "agreement.draft", "", ""),
            ("person:bo", "agreement.request", "for the new limits", ""),
            ("person:anna", "agreement.accept", "", "2026-17"),
            ("person:anna", "agreement.activate", "", ""),
            ("person:anna", "agreement.suspend", "", ""),
            ("person:anna", "agreement.resume", "", ""),
            ("person:bo", "agreement.terminate", "", ""),
        ]
        assert (await audit.verify(db)).fault is None

    async def test_an_illegal_step_changes_nothing(self, http, db, officers):
        made = await draft(http, officers["bo"])
        before = await db.fetch("select * from agreement"), await audit.newest(db)
        refused = await take(http, officers["bo"], made["id"], "activate", 409)
        assert "possible are offer, request, withdraw" in refused["detail"]
        await take(http, officers["bo"], made["id"], "offer", 409)
        assert (await db.fetch("select * from agreement"), await audit.newest(db)) == before

    async def test_a_repeated_step_changes_nothing(self, http, db, officers):
        made = await activated(http, officers)
        before = await audit.newest(db)
        assert (await take(http, officers["anna"], made["id"], "activate"))["state"] == "active"
        assert await audit.newest(db) == before

    async def test_a_counter_proposal_makes_the_other_approval_void(self, http, officers):
        made = await draft(http, officers["bo"])
        await take(http, officers["bo"], made["id"], "request")
        narrower = TERMS | {"shape": {"finest_resolution": "PT15M"}}
        offered = await take(http, officers["anna"], made["id"], "offer", terms=narrower)
        assert offered["approvers"] == {"provider": "person:anna", "consumer": None}
        assert offered["terms"]["shape"]["finest_resolution"] == "PT15M"
        await take(http, officers["anna"], made["id"], "accept", 409)
        await take(http, officers["bo"], made["id"], "accept")

    async def test_what_is_missing_is_told(self, http, officers):
        wrong = {"purpose": " ", "legal_basis": "", "shape": {"properties": ["gold"]}}
        made = await draft(http, officers["bo"], terms=wrong)
        await take(http, officers["bo"], made["id"], "request")
        refused = await take(http, officers["anna"], made["id"], "accept", 409)
        for told in ("no purpose", "no legal basis", "the feed has no gold"):
            assert told in refused["detail"]

    async def test_terms_change_in_the_negotiation_only(self, http, officers):
        made = await activated(http, officers)
        await take(http, officers["anna"], made["id"], "suspend", 400, terms=TERMS)

    async def test_a_notice_is_kept(self, http, db, make, officers):
        made = await activated(http, officers, notice="P30D")
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        refused = await take(http, officers["bo"], made["id"], "terminate", 409, at=soon)
        assert "P30D" in refused["detail"]
        given = await take(http, officers["bo"], made["id"], "terminate")
        assert given["state"] == "active"
        assert given["notice_given_at"] is not None
        assert await may_read(http, db, make)
        later = datetime.now(UTC) + timedelta(days=31)
        async with db.transaction():
            [ended] = await agreeing.expire(AgreementFiles(db), later)
        assert ended.state == "terminated"

    async def test_the_public_is_offered_to_by_the_provider_alone(self, http, officers):
        made = await draft(http, officers["anna"], consumer="public")
        for step in ("offer", "accept", "activate"):
            await take(http, officers["anna"], made["id"], step)
        assert (await http.get("/api/v1/feeds/noise")).status_code == 200


class TestVersions:
    async def test_the_next_version_replaces_the_one_in_force(self, http, db, make, officers):
        first = await activated(http, officers)
        fresh = TERMS | {"purpose": "Speed limits and crossings"}
        second = await take(http, officers["anna"], first["id"], "supersede", terms=fresh)
        assert (second["version"], second["state"]) == (2, "draft")
        await take(http, officers["anna"], second["id"], "offer")
        await take(http, officers["bo"], second["id"], "accept")
        assert await may_read(http, db, make)
        await take(http, officers["anna"], second["id"], "activate")
        states = {
            one["id"]: one["state"]
            for one in (await http.get(AGREEMENTS, headers=officers["bo"])).json()["agreements"]
        }
        assert (states[first["id"]], states[second["id"]]) == ("superseded", "active")
        assert await may_read(http, db, make)

    async def test_one_negotiation_at_a_time(self, http, officers):
        first = await activated(http, officers)
        second = await take(http, officers["anna"], first["id"], "supersede")
        await take(http, officers["anna"], first["id"], "supersede", 409)
        await take(http, officers["anna"], second["id"], "offer")
        await take(http, officers["bo"], first["id"], "supersede", 409)

    async def test_two_agreements_between_the_same_two_are_never_in_force(self, http, officers):
        await activated(http, officers)
        other = await draft(http, officers["bo"])
        await take(http, officers["bo"], other["id"], "request")
        await take(http, officers["anna"], other["id"], "accept")
        refused = await take(http, officers["anna"], other["id"], "activate", 409)
        assert ":supersede" in refused["detail"]

    async def test_what_has_run_out_makes_room(self, http, db, officers):
        first = await activated(http, officers)
        await db.execute(
            "update agreement set valid_from = now() - interval '2 d', "
            "valid_until = now() - interval '1 d' where id = $1",
            first["id"],
        )
        second = await activated(http, officers)
        assert second["state"] == "active"
        answer = await http.get(f"{AGREEMENTS}/{first['id']}", headers=officers["bo"])
        assert answer.json()["state"] == "expired"


class TestIdempotency:
    async def test_a_repeated_request_is_answered_the_same_and_done_once(self, http, db, officers):
        who = officers["bo"] | {"Idempotency-Key": "a-1"}
        first = await draft(http, who)
        assert await draft(http, who) == first
        assert await db.fetchval("select count(*) from agreement where state = 'draft'") == 1

    async def test_a_key_belongs_to_one_request_and_one_actor(self, http, officers):
        await draft(http, officers["bo"] | {"Idempotency-Key": "a-1"})
        await draft(
            http, officers["bo"] | {"Idempotency-Key": "a-1"}, 409, terms=TERMS | {"decision": "x"}
        )
        await draft(http, officers["rut"] | {"Idempotency-Key": "a-1"})

    async def test_what_was_refused_may_be_tried_again(self, http, officers):
        made = await draft(http, officers["bo"])
        who = officers["anna"] | {"Idempotency-Key": "a-2"}
        await take(http, who, made["id"], "accept", 404)
        await take(http, officers["bo"], made["id"], "request")
        await take(http, who, made["id"], "accept")


@pytest.mark.parametrize(
    "terms",
    [
        {"purpose": "x"},
        TERMS | {"shape": {"delay": 5}},
        TERMS | {"shape": {"delay": "soon"}},
        TERMS | {"valid_until": "2026-01-01T00:00:00"},
        TERMS | {"shape": {"gold": 1}},
        TERMS | {"notice": "P999999999D"},
        TERMS | {"purpose": "x" * 3000},
    ],
)
async def test_terms_that_make_no_sense_are_refused(http, officers, terms):
    await draft(http, officers["bo"], 400, terms=terms)


async def test_an_auditor_sees_what_concerns_them_and_an_administrator_everything(
    http, db, officers
):
    await activated(http, officers)
    own = (await http.get("/api/v1/audit?limit=2", headers=officers["ada"])).json()
    assert len(own["events"]) == 2
    assert own["events"][0]["detail"]["to"] == "active"
    rest = await http.get(f"/api/v1/audit?before={own['next']}", headers=officers["ada"])
    assert len(rest.json()["events"]) == 2
    await draft(http, officers["rut"])
    assert len((await http.get("/api/v1/audit", headers=officers["ada"])).json()["events"]) == 4
    assert len((await http.get("/api/v1/audit", headers=officers["chef"])).json()["events"]) == 5


async def test_the_audit_can_only_be_added_to(http, db, officers):
    await draft(http, officers["bo"])
    for statement in (
        "update audit_event set reason = 'x'",
        "delete from audit_event",
        "truncate audit_event",
    ):
        with pytest.raises(Exception, match="only ever added to"):
            await db.execute(statement)


async def test_whoever_gets_around_that_is_found_out(http, db, officers):
    for _ in range(3):
        await draft(http, officers["bo"])
    head = await audit.newest(db)
    await db.execute("alter table audit_event disable trigger all")
    await db.execute("update audit_event set actor = 'person:eve' where position = 2")
    assert (await audit.verify(db)).fault.position == 2
    # Who computes every later hash anew is found out by the head that was written down before.
    await db.execute("delete from audit_event where position >= 2")
    assert (await audit.verify(db)).fault is None
    assert (await audit.verify(db, (head[0], head[1]))).fault is not None


def test_the_detail_of_an_event_is_json():
    from hub.domain.audit import detail  # noqa: PLC0415

    assert json.loads(detail(at=datetime.now(UTC), names=["å"]))["names"] == ["å"]


class TestReminding:
    async def test_both_sides_hear_of_an_end_once_for_each_date(self, http, officers, db):
        now = datetime.now(UTC)
        ends, review = now + timedelta(days=20), now + timedelta(days=10)
        made = await activated(
            http, officers, valid_until=ends.isoformat(), review_at=review.isoformat()
        )
        far = await self.remind(db, now - timedelta(days=25))
        assert far == []
        assert await self.remind(db, now) == [made["id"]]
        assert await self.remind(db, now) == []
        for who in ("anna", "bo"):
            answer = await http.get(
                f"/api/v1/audit?subject=agreement/{made['id']}", headers=officers[who]
            )
            events = [e for e in answer.json()["events"] if e["action"] == "agreement.remind"]
            assert len(events) == 1, answer.text
        told = await db.fetchval("select detail from audit_event where action = 'agreement.remind'")
        assert json.loads(told)["ends_at"] == ends.isoformat()
        assert json.loads(told)["review_at"] == review.isoformat()
        later = now + timedelta(days=25)
        await db.execute("update agreement set valid_until = $1 where id = $2", later, made["id"])
        assert await self.remind(db, now) == [made["id"]]

    async def remind(self, db, now):
        async with db.transaction():
            return [one.id for one in await agreeing.remind(AgreementFiles(db), now)]


class TestPolicy:
    async def test_an_agreement_is_an_odrl_policy(self, http, officers):
        shape = {"properties": ["laeq"], "finest_resolution": "PT15M", "delay": "PT1H"}
        made = await activated(
            http, officers, shape=shape, valid_until="2030-01-01T00:00:00Z", notice="P30D"
        )
        answer = await http.get(f"{AGREEMENTS}/{made['id']}/odrl", headers=officers["anna"])
        assert answer.headers["content-type"] == "application/ld+json"
        told = answer.json()
        assert told["@type"] == "Agreement"
        assert told["assigner"] == "urn:stadsnav:organisation:environment"
        assert told["assignee"] == "urn:stadsnav:organisation:traffic"
        [use] = told["permission"]
        assert {one["leftOperand"]: one["operator"] for one in use["constraint"]} == {
            "purpose": "eq", "dateTime": "lt",
        }  # fmt: skip
        limits = {one["leftOperand"]: one["rightOperand"] for one in use["target"]["refinement"]}
        assert limits["stadsnav:property"] == ["laeq"]
        assert limits["stadsnav:resolution"]["@value"] == "PT15M"
        assert limits["stadsnav:age"] == {"@value": "PT1H", "@type": "xsd:duration"}
        [forbidden] = told["prohibition"]
        assert forbidden["action"] == "distribute"

    async def test_a_draft_is_an_offer_and_a_stranger_sees_neither(self, http, officers):
        made = await draft(http, officers["bo"])
        path = f"{AGREEMENTS}/{made['id']}/odrl"
        assert (await http.get(path, headers=officers["bo"])).json()["@type"] == "Offer"
        assert (await http.get(path, headers=officers["rut"])).status_code == 404
        assert (await http.get(path)).status_code == 401
