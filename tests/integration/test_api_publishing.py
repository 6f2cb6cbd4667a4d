"""Does a feed go its way from a draft to its end, with everybody told who must be?"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from hub.domain.people import Person, Role
from hub.domain.sharing import Scope
from hub.sharing.keys import new_key
from hub.storage import people

FEEDS = "/api/v1/feeds"
NEW = {
    "id": "quiet",
    "title": "Tysta platser",
    "title_en": "Quiet places",
    "description": "Där det är tyst",
    "licence": "CC0-1.0",
    "kinds": ["noise"],
    "properties": ["laeq"],
    "information_owner": "Head of environment",
    "contacts": ["data@example.org"],
}
KLASSA = {"confidentiality": 1, "integrity": 2, "availability": 1, "decision": "MN 2026-117"}
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[17.9, 59.4], [17.9515, 59.4], [17.9515, 59.5], [17.9, 59.5], [17.9, 59.4]]],
}


async def person(db, name, organisation, *roles):
    fresh = new_key()
    await people.add(db, Person(name, name.title()))
    await people.set_roles(db, name, organisation, roles)
    await people.add_key(
        db, name, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
    )
    return {"Authorization": f"Bearer {fresh.key}"}


@pytest.fixture
async def anna(db, city):
    return await person(db, "anna", "environment", Role.DATA_OFFICER)


@pytest.fixture
async def sten(db, city):
    return await person(db, "sten", "environment", Role.STEWARD)


@pytest.fixture
async def bo(db, city):
    return await person(db, "bo", "traffic", Role.DATA_OFFICER)


async def step(http, who, name, expected=200, feed="quiet", **body):
    answer = await http.post(f"{FEEDS}/{feed}:{name}", json=body, headers=who)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def draft(http, who, **changes):
    answer = await http.post(FEEDS, json=NEW | changes, headers=who)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def published(http, who, **changes):
    await draft(http, who, **changes)
    await step(http, who, "classify", **KLASSA)
    return await step(http, who, "publish")


class TestTheWay:
    async def test_a_draft_is_seen_by_its_owner_only(self, http, sten, bo):
        made = await draft(http, sten)
        assert made["state"] == "draft"
        assert made["card"]["contacts"] == ["data@example.org"]
        assert made["selection"]["kinds"] == ["noise"]
        assert (await http.get(f"{FEEDS}/quiet", headers=sten)).status_code == 200
        assert (await http.get(f"{FEEDS}/quiet", headers=bo)).status_code == 404
        assert (await http.get(f"{FEEDS}/quiet/file", headers=bo)).status_code == 404

    async def test_it_is_classified_then_published_by_a_data_officer(self, http, anna, sten):
        await draft(http, sten)
        assert "classify it first" in (await step(http, anna, "publish", 409))["detail"]
        assert "data-officer" in (await step(http, sten, "classify", 403, **KLASSA))["detail"]
        classified = await step(http, anna, "classify", **KLASSA)
        assert classified["classification"]["decided_by"] == "person:anna"
        assert classified["classification"]["decision"] == "MN 2026-117"
        assert (await step(http, anna, "publish"))["state"] == "published"
        assert (await step(http, anna, "publish"))["state"] == "published"  # it was done already

    async def test_a_four_is_refused_and_changes_nothing(self, http, anna):
        await draft(http, anna)
        answer = await step(http, anna, "classify", 400, **KLASSA | {"confidentiality": 4})
        assert "must not be shared" in answer["detail"]
        assert (await http.get(f"{FEEDS}/quiet/file", headers=anna)).json()["state"] == "draft"

    async def test_all_three_levels_are_needed(self, http, anna):
        await draft(http, anna)
        answer = await step(http, anna, "classify", 400, confidentiality=1)
        assert "'integrity'" in answer["detail"]

    async def test_what_everyone_reads_stays_harmless(self, http, anna, db):
        answer = await step(
            http, anna, "classify", 409, feed="open", confidentiality=2, integrity=1, availability=1
        )
        assert "everyone may read" in answer["detail"]

    async def test_another_organisation_s_feed_is_not_there(self, http, bo):
        assert (await step(http, bo, "classify", 404, feed="noise", **KLASSA))["status"] == 404
        same = await http.patch(f"{FEEDS}/noise", json={"title": "Mine"}, headers=bo)
        none = await http.patch(f"{FEEDS}/nothing", json={"title": "Mine"}, headers=bo)
        assert same.status_code == none.status_code == 404
        assert same.json()["detail"] == none.json()["detail"].replace("nothing", "noise")

    async def test_who_is_unknown_is_asked_for_a_key(self, http, city):
        assert (await http.post(FEEDS, json=NEW)).status_code == 401
        assert (await http.post(f"{FEEDS}/noise:publish")).status_code == 401

    async def test_an_application_has_no_role(self, http, make, db, city):
        key = await make.key(db, "environment", Scope.READ)
        answer = await http.post(FEEDS, json=NEW, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 403

    async def test_the_same_id_twice_is_a_conflict(self, http, anna):
        await draft(http, anna)
        answer = await http.post(FEEDS, json=NEW, headers=anna)
        assert answer.status_code == 409

    async def test_a_repeated_request_is_answered_as_the_first(self, http, anna):
        headers = anna | {"Idempotency-Key": "once"}
        first = await http.post(FEEDS, json=NEW, headers=headers)
        second = await http.post(FEEDS, json=NEW, headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()


class TestChanging:
    async def test_only_what_is_given_changes(self, http, sten):
        await draft(http, sten)
        answer = await http.patch(f"{FEEDS}/quiet", json={"support": "08-123"}, headers=sten)
        file = answer.json()
        assert file["card"]["support"] == "08-123"
        assert file["card"]["information_owner"] == "Head of environment"
        assert file["title_en"] == "Quiet places"
        assert file["selection"]["properties"] == ["laeq"]

    async def test_a_steward_does_not_widen_what_was_classified(self, http, sten, anna):
        await published(http, anna)
        wider = {"properties": None}
        refused = await http.patch(f"{FEEDS}/quiet", json=wider, headers=sten)
        assert refused.status_code == 403
        texts = await http.patch(f"{FEEDS}/quiet", json={"title": "Lugna"}, headers=sten)
        assert texts.status_code == 200
        allowed = await http.patch(f"{FEEDS}/quiet", json=wider, headers=anna)
        assert allowed.json()["selection"]["properties"] is None

    async def test_nonsense_says_what_would_be_right(self, http, anna):
        await draft(http, anna)
        for body, says in (
            ({"colour": "red"}, "colour"),
            ({"title": " "}, "title"),
            ({"area": {"type": "Point", "coordinates": [1, 2]}}, "GeoJSON Polygon"),
        ):
            answer = await http.patch(f"{FEEDS}/quiet", json=body, headers=anna)
            assert answer.status_code in (400, 422)
            assert says in answer.text

    async def test_devices_are_selected_by_tag_and_join_by_themselves(self, http, anna, db):
        await published(http, anna, kinds=None, tags=["school"])
        url = f"{FEEDS}/quiet/datastreams"
        assert (await http.get(url, headers=anna)).json()["datastreams"] == []
        await db.execute("update device set tags = '{school,night}' where id = 'noise-2'")
        found = (await http.get(url, headers=anna)).json()["datastreams"]
        assert {stream["device"] for stream in found} == {"noise-2"}

    async def test_devices_are_selected_by_area(self, http, anna, db):
        await published(http, anna, area=SQUARE)
        found = (await http.get(f"{FEEDS}/quiet/datastreams", headers=anna)).json()["datastreams"]
        # noise-1 stands at 17.9511, the others further east; its owner sees the selection too.
        assert {stream["device"] for stream in found} == {"noise-1"}


class TestTheEnd:
    async def test_consumers_are_warned_a_month_before(self, http, anna, bo, db):
        key = bo
        soon = (datetime.now(UTC) + timedelta(days=3)).isoformat()
        refused = await step(http, anna, "deprecate", 400, feed="noise", retires_at=soon)
        assert "30 days before" in refused["detail"]
        end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
        await step(
            http, anna, "deprecate", feed="noise", retires_at=end.isoformat(), reason="New meters"
        )
        answer = await http.get(f"{FEEDS}/noise/latest", headers=key)
        assert answer.status_code == 200
        assert parsedate_to_datetime(answer.headers["Sunset"]) == end
        told = (await http.get(f"{FEEDS}/noise", headers=key)).json()
        assert told["state"] == "deprecated"
        assert told["retires_at"].startswith(end.isoformat()[:19])
        events = (await http.get("/api/v1/audit?subject=feed/noise", headers=await person(
            db, "ada", "traffic", Role.AUDITOR
        ))).json()["events"]  # fmt: skip
        assert [(e["action"], e["reason"]) for e in events] == [("feed.deprecate", "New meters")]

    async def test_it_is_not_retired_before_the_warning_has_run_out(self, http, anna, bo, db):
        end = datetime.now(UTC) + timedelta(days=40)
        await step(http, anna, "deprecate", feed="noise", retires_at=end.isoformat())
        refused = await step(http, anna, "retire", 409, feed="noise")
        assert "3 organisations were told" in refused["detail"]
        await db.execute("update feed set retires_at = now() - interval '1 s' where id = 'noise'")
        assert (await step(http, anna, "retire", feed="noise"))["state"] == "retired"
        assert (await http.get(f"{FEEDS}/noise/latest", headers=bo)).status_code == 404

    async def test_what_nobody_else_reads_may_end_at_once(self, http, anna):
        await published(http, anna)
        end = (datetime.now(UTC) + timedelta(days=40)).isoformat()
        await step(http, anna, "deprecate", retires_at=end)
        assert (await step(http, anna, "retire"))["state"] == "retired"
        changed = await http.patch(f"{FEEDS}/quiet", json={"title": "Again"}, headers=anna)
        assert changed.status_code == 409

    async def test_a_deprecated_feed_may_be_kept_after_all(self, http, anna, bo):
        end = (datetime.now(UTC) + timedelta(days=40)).isoformat()
        await step(http, anna, "deprecate", feed="noise", retires_at=end)
        assert (await step(http, anna, "classify", feed="noise", **KLASSA))["state"] == "deprecated"
        assert (await step(http, anna, "publish", feed="noise"))["retires_at"] is None
        assert "Sunset" not in (await http.get(f"{FEEDS}/noise/latest", headers=bo)).headers


class TestAskingFor:
    async def test_listed_feeds_are_shown_to_those_who_may_ask(self, http, anna, bo):
        await published(http, anna, listed=True)
        told = (await http.get(f"{FEEDS}?listed=true", headers=bo)).json()
        assert [feed["id"] for feed in told["may_be_asked_for"]] == ["quiet"]
        assert "access" not in told["may_be_asked_for"][0]
        plain = (await http.get(FEEDS, headers=bo)).json()
        assert "may_be_asked_for" not in plain
        assert "quiet" not in {feed["id"] for feed in plain["feeds"]}
        assert (await http.get(f"{FEEDS}/quiet", headers=bo)).status_code == 404


class TestExplaining:
    async def explain(self, http, who, expected=200, **asked):
        answer = await http.get("/api/v1/access/explain", params=asked, headers=who)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def test_the_owner_hears_why_somebody_may_and_what_is_withheld(self, http, anna):
        told = await self.explain(http, anna, feed="noise", organisation="region")
        assert told["may_read"]
        assert told["shape"]["properties"] == ["no2"]
        assert told["datastreams"]["let_through"] == 1
        assert {one["why"] for one in told["datastreams"]["withheld"]} == {
            "the agreement does not cover 'laeq'",
            "the agreement does not cover 'status'",
        }

    async def test_the_owner_hears_why_somebody_may_not(self, http, anna, db):
        told = await self.explain(http, anna, feed="noise", organisation="water")
        assert (told["may_read"], told["why"]) == (False, "no agreement with this organisation")
        await db.execute("update agreement set state = 'suspended' where consumer = 'traffic'")
        told = await self.explain(http, anna, feed="noise", organisation="traffic")
        assert told["why"] == "the agreement is not active"
        assert [one["state"] for one in told["considered"]] == ["suspended"]

    async def test_it_answers_for_another_time(self, http, anna):
        before = (datetime.now(UTC) - timedelta(days=2)).isoformat()
        told = await self.explain(http, anna, feed="noise", organisation="traffic", at=before)
        assert told["why"] == "the agreement is not valid yet"

    async def test_a_consumer_hears_about_itself_and_nobody_else(self, http, bo):
        told = await self.explain(http, bo, feed="noise")
        assert told["may_read"]
        assert "datastreams" not in told
        await self.explain(http, bo, 404, feed="noise", organisation="property")

    async def test_what_one_has_no_part_in_is_not_there(self, http, bo):
        secret = await self.explain(http, bo, 404, feed="secret")
        nothing = await self.explain(http, bo, 404, feed="nothing")
        assert secret["detail"] == nothing["detail"].replace("nothing", "secret")

    async def test_a_key_without_the_scope_is_explained(self, http, anna, make, db):
        await make.key(db, "traffic", Scope.WRITE)
        name = await db.fetchval("select id from application order by created_at desc limit 1")
        told = await self.explain(
            http, anna, feed="noise", organisation="traffic", application=name
        )
        assert told["why"] == "the key lacks the scope feeds:read"

    async def test_it_needs_a_role(self, http, make, db, city):
        key = await make.key(db, "environment", Scope.READ)
        told = await self.explain(http, {"Authorization": f"Bearer {key}"}, 403, feed="noise")
        assert "data-officer" in told["detail"]
        assert (await http.get("/api/v1/access/explain?feed=noise")).status_code == 401
