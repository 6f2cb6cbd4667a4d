"""Do organisations plan together: areas, proposals, decisions, platforms, each by whom it may?"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.people import Person, Role
from hub.sharing.keys import new_key
from hub.storage import audit, people

API = "/api/v1"
AREA = {
    "name": "Miljö", "name_en": "Environment", "stewards": ["stina"],
    "organisations": ["environment", "traffic"],
}  # fmt: skip
NEED = {"area": "miljo", "kind": "new-sensor", "title": "Buller vid skolan", "need": "Föräldrar"}
TOO_EARLY = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
PLATFORM = {"name": "AirView", "supplier": "AirView AB", "contract_until": "2027-12-31"}
DECIDED = {
    "reference": "KS 2026/117 § 12", "title": "Buller", "decided_on": "2026-11-20",
    "members": [{"name": "Åsa Öberg", "organisation": "environment"}, {"name": "محمد"}],
    "area": "miljo",
}  # fmt: skip


def as_(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def who(db, city):
    async def person(name, organisation, role):
        fresh = new_key()
        await people.add(db, Person(name, name))
        await people.set_roles(db, name, organisation, [role])
        await people.add_key(
            db, name, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
        )
        return as_(fresh.key)

    return {
        "chef": await person("chef", "property", Role.HUB_ADMINISTRATOR),
        "stina": await person("stina", "environment", Role.STEWARD),
        "anna": await person("anna", "environment", Role.DATA_OFFICER),
        "bo": await person("bo", "traffic", Role.DATA_OFFICER),
        "ada": await person("ada", "traffic", Role.AUDITOR),
        "rut": await person("rut", "region", Role.DATA_OFFICER),
        "application": as_(city.keys["environment"]),
        "nobody": {},
    }


@pytest.fixture
def ask(http, who):
    async def asking(name, method, path, expected=200, body=None, **headers):
        answer = await http.request(
            method, f"{API}/{path}", json=body, headers={**who[name], **headers}
        )
        assert answer.status_code == expected, answer.text
        return answer.json()

    return asking


@pytest.fixture
async def area(ask):
    return await ask("chef", "PUT", "business-areas/miljo", body=AREA)


@pytest.fixture
async def decision(ask, area):
    return await ask("stina", "POST", "decisions", 201, DECIDED)


@pytest.fixture
def unchanged(db):
    """What must be the same after a step that was refused."""

    async def state():
        return [
            await db.fetch(f"select * from {table} order by 1, 2")
            for table in (
                "business_area", "business_area_steward", "business_area_organisation",
                "business_area_feed", "proposal", "decision", "decision_member", "platform",
                "audit_event",
            )
        ]  # fmt: skip

    return state


async def events(db, prefix):
    rows = await db.fetch(
        "select actor, action, decision from audit_event where subject like $1 order by position",
        f"{prefix}%",
    )
    return [tuple(row.values()) for row in rows]


class TestBusinessAreas:
    @pytest.mark.parametrize(
        ("name", "status"), [("nobody", 401), ("application", 403), ("ada", 403), ("stina", 403)]
    )
    async def test_who_may_not_make_one(self, ask, unchanged, name, status):
        before = await unchanged()
        await ask(name, "PUT", "business-areas/miljo", status, AREA)
        assert await unchanged() == before

    async def test_an_administrator_makes_one_and_everyone_sees_it(self, ask, db, area):
        assert area["stewards"] == ["stina"]
        listed = await ask("nobody", "GET", "business-areas")
        assert listed["business_areas"][0] == {
            "id": "miljo", "name": "Miljö", "name_en": "Environment", "description": "",
            "organisations": ["environment", "traffic"], "feeds": [],
        }  # fmt: skip
        assert await ask("bo", "GET", "business-areas/miljo") == area
        assert await ask("nobody", "GET", "business-areas/none", 404)
        assert await events(db, "business-area/") == [("person:chef", "business-area.create", "")]

    async def test_the_same_again_changes_nothing(self, ask, area, unchanged):
        before = await unchanged()
        assert await ask("chef", "PUT", "business-areas/miljo", body=AREA) == area
        assert await unchanged() == before

    async def test_a_steward_changes_all_but_the_stewards(self, ask, area):
        changed = AREA | {"description": "Luft", "organisations": ["environment", "region"]}
        made = await ask("stina", "PUT", "business-areas/miljo", body=changed)
        assert made["organisations"] == ["environment", "region"]
        await ask("stina", "PUT", "business-areas/miljo", 403, changed | {"stewards": ["bo"]})
        await ask("bo", "PUT", "business-areas/miljo", 403, changed)

    @pytest.mark.parametrize(
        ("changes", "status"),
        [({"stewards": ["nobody"]}, 404), ({"organisations": ["nowhere"]}, 404),
         ({"name": " "}, 400), ({"name": "a\x00"}, 400), ({"gold": 1}, 400),
         ({"name": "x" * 201}, 400)],
    )  # fmt: skip
    async def test_what_makes_no_sense_is_refused(self, ask, unchanged, changes, status, area):
        before = await unchanged()
        await ask("chef", "PUT", "business-areas/miljo", status, AREA | changes)
        assert await unchanged() == before

    async def test_an_id_is_a_slug(self, ask, who):
        await ask("chef", "PUT", "business-areas/Miljö", 400, AREA)

    async def test_an_owner_puts_its_feeds_in_and_who_may_know_of_them_sees_them(
        self, ask, area, db
    ):
        for feed in ("noise", "secret"):
            made = await ask("stina", "PUT", f"business-areas/miljo/feeds/{feed}")
        assert made["feeds"] == ["noise", "secret"]
        assert await ask("stina", "PUT", "business-areas/miljo/feeds/noise") == made
        assert len(await events(db, "business-area/")) == 3
        for name, feeds in (("bo", ["noise"]), ("nobody", [])):
            assert (await ask(name, "GET", "business-areas/miljo"))["feeds"] == feeds
        await db.execute("update feed set listed = true where id = 'noise'")
        assert (await ask("nobody", "GET", "business-areas/miljo"))["feeds"] == ["noise"]

    @pytest.mark.parametrize(
        ("name", "status"),
        [("nobody", 401), ("application", 403), ("bo", 404), ("rut", 404)],
    )
    async def test_others_put_no_feed_in_and_take_none_out(
        self, ask, area, unchanged, name, status
    ):
        await ask("anna", "PUT", "business-areas/miljo/feeds/noise")
        before = await unchanged()
        for feed in ("noise", "secret"):
            for method in ("PUT", "DELETE"):
                await ask(name, method, f"business-areas/miljo/feeds/{feed}", status)
        assert await unchanged() == before

    async def test_a_feed_comes_with_its_organisation(self, ask, area, db):
        await ask("anna", "PUT", "business-areas/miljo/feeds/noise")
        without = AREA | {"organisations": ["traffic"]}
        refused = await ask("chef", "PUT", "business-areas/miljo", 409, without)
        assert "feeds of environment" in refused["detail"]
        await ask("stina", "DELETE", "business-areas/miljo/feeds/noise")
        await ask("stina", "DELETE", "business-areas/miljo/feeds/noise")
        await ask("chef", "PUT", "business-areas/miljo", body=without)
        refused = await ask("anna", "PUT", "business-areas/miljo/feeds/noise", 409)
        assert "does not belong" in refused["detail"]
        await db.execute("update feed set state = 'retired' where id = 'noise'")
        await ask("anna", "PUT", "business-areas/miljo/feeds/noise", 409)


class TestProposals:
    @pytest.mark.parametrize(("name", "status"), [("nobody", 401), ("application", 403)])
    async def test_people_propose(self, ask, area, unchanged, name, status):
        before = await unchanged()
        await ask(name, "POST", "proposals", status, NEED)
        await ask(name, "POST", "proposals/1:assess", status)
        assert await unchanged() == before

    async def test_from_the_need_to_the_answer_that_everyone_reads(self, ask, db, decision):
        made = await ask("ada", "POST", "proposals", 201, NEED)
        at = f"proposals/{made['id']}"
        assert (made["state"], made["organisation"]) == ("submitted", "traffic")
        await ask("stina", "POST", f"{at}:assess", body={"text": "Möjligt"})
        await ask("stina", "POST", f"{at}:prioritise", body={"priority": 2})
        await ask("stina", "POST", f"{at}:pilot", body={"text": "På försök i vår"})
        told = await ask("nobody", "GET", at)
        assert (told["state"], told["answer"]) == ("piloted", "På försök i vår")
        answer = {"text": "Ja, från hösten.", "decision": decision["id"]}
        adopted = await ask("stina", "POST", f"{at}:adopt", body=answer)
        assert adopted["decision"] == decision["id"]
        assert await ask("nobody", "GET", at) == {
            "id": made["id"], "area": "miljo", "kind": "new-sensor", "title": "Buller vid skolan",
            "organisation": "traffic", "state": "adopted", "submitted_at": made["submitted_at"],
            "answer": "Ja, från hösten.", "decision": decision["id"],
        }  # fmt: skip
        assert (await ask("bo", "GET", at))["assessment"] == "Möjligt"
        assert "assessment" not in await ask("rut", "GET", at)
        assert await events(db, "proposal/") == [
            ("person:ada", "proposal.submit", ""),
            ("person:stina", "proposal.assess", ""),
            ("person:stina", "proposal.prioritise", ""),
            ("person:stina", "proposal.pilot", ""),
            ("person:stina", "proposal.adopt", DECIDED["reference"]),
        ]
        heard = await ask("ada", "GET", f"audit?subject=proposal/{made['id']}")
        assert len(heard["events"]) == 5
        assert (await audit.verify(db)).fault is None

    async def test_a_step_that_is_not_next_changes_nothing(self, ask, decision, unchanged):
        made = await ask("bo", "POST", "proposals", 201, NEED)
        at, before = f"proposals/{made['id']}", await unchanged()
        answer = {"text": "Ja", "decision": decision["id"]}
        refused = await ask("stina", "POST", f"{at}:adopt", 409, answer)
        assert "possible are assess, decline" in refused["detail"]
        await ask("stina", "POST", f"{at}:pilot", 409)
        await ask("stina", "POST", f"{at}:decline", 400)
        await ask("stina", "POST", f"{at}:fly", 400)
        await ask("stina", "POST", "proposals/999:assess", 404, {"text": "x"})
        assert await unchanged() == before

    async def test_what_was_answered_stays_answered(self, ask, area, unchanged):
        made = await ask("bo", "POST", "proposals", 201, NEED)
        at = f"proposals/{made['id']}"
        declined = await ask("stina", "POST", f"{at}:decline", body={"text": "Nej"})
        before = await unchanged()
        assert await ask("stina", "POST", f"{at}:decline", body={"text": " Nej "}) == declined
        await ask("stina", "POST", f"{at}:decline", 409, {"text": "Jo"})
        await ask("stina", "POST", f"{at}:assess", 409, {"text": "Jo"})
        assert await unchanged() == before

    @pytest.mark.parametrize("name", ["bo", "ada", "anna", "rut"])
    async def test_only_stewards_of_the_area_answer(self, ask, area, unchanged, name):
        made = await ask("bo", "POST", "proposals", 201, NEED)
        before = await unchanged()
        await ask(name, "POST", f"proposals/{made['id']}:decline", 403, {"text": "Nej"})
        assert await unchanged() == before

    async def test_nobody_answers_their_own(self, ask, area):
        made = await ask("stina", "POST", "proposals", 201, NEED)
        at = f"proposals/{made['id']}"
        await ask("stina", "POST", f"{at}:assess", 403, {"text": "Bra"})
        await ask("chef", "POST", f"{at}:assess", body={"text": "Bra"})

    async def test_a_decision_of_another_area_is_none(self, ask, decision):
        await ask("chef", "PUT", "business-areas/trafik", body=AREA | {"name": "Trafik"})
        made = await ask("bo", "POST", "proposals", 201, NEED | {"area": "trafik"})
        at = f"proposals/{made['id']}:decline"
        for wrong in (decision["id"], 999):
            await ask("stina", "POST", at, 400, {"text": "Nej", "decision": wrong})

    async def test_a_share_request_names_a_feed_that_is_listed(self, ask, area, db):
        await db.execute("update feed set listed = true where id = 'noise'")
        wanted = NEED | {"kind": "share-request", "feed": "noise"}
        made = await ask("bo", "POST", "proposals", 201, wanted)
        assert made["feed"] == "noise"
        assert "feed" not in await ask("nobody", "GET", f"proposals/{made['id']}")
        absent = await ask("bo", "POST", "proposals", 404, wanted | {"feed": "nothing"})
        hidden = await ask("bo", "POST", "proposals", 404, wanted | {"feed": "secret"})
        assert absent["detail"] == hidden["detail"].replace("secret", "nothing")
        await ask("anna", "POST", "proposals", 400, wanted)
        await ask("bo", "POST", "proposals", 400, NEED | {"kind": "share-request"})
        await ask("bo", "POST", "proposals", 400, NEED | {"feed": "noise"})

    async def test_a_repeated_request_is_done_once(self, ask, area, db):
        header = {"Idempotency-Key": "p-1"}
        first = await ask("bo", "POST", "proposals", 201, NEED, **header)
        assert await ask("bo", "POST", "proposals", 201, NEED, **header) == first
        await ask("bo", "POST", "proposals", 409, NEED | {"title": "Y"}, **header)
        assert await db.fetchval("select count(*) from proposal") == 1

    async def test_two_who_answer_at_once_act_one_after_the_other(self, http, who, ask, area, db):
        made = await ask("bo", "POST", "proposals", 201, NEED)
        at = f"{API}/proposals/{made['id']}:decline"
        answers = await asyncio.gather(
            http.post(at, json={"text": "Nej"}, headers=who["stina"]),
            http.post(at, json={"text": "Aldrig"}, headers=who["chef"]),
        )
        assert sorted(one.status_code for one in answers) == [200, 409]
        assert len(await events(db, "proposal/")) == 2

    async def test_listing_goes_by_page_area_and_state(self, ask, area):
        for number in range(5):
            await ask("bo", "POST", "proposals", 201, NEED | {"title": f"Nr {number}"})
        await ask("stina", "POST", "proposals/2:decline", body={"text": "Nej"})
        seen, after = [], 0
        while after is not None:
            page = await ask("nobody", "GET", f"proposals?limit=2&after={after}")
            seen += [one["title"] for one in page["proposals"]]
            after = page["next"]
        assert seen == [f"Nr {number}" for number in range(5)]
        for query, count in (("state=declined", 1), ("area=miljo", 5), ("area=none", 0),
                             ("organisation=region", 0)):  # fmt: skip
            assert len((await ask("nobody", "GET", f"proposals?{query}"))["proposals"]) == count
        await ask("nobody", "GET", "proposals?state=lost", 400)

    @pytest.mark.parametrize("title", ["ᐃᓄᒃᑎᑐᑦ", "می‌خواهم", "王小明 👩‍💻", "Ánde ”q” <b>"])
    async def test_a_title_in_any_script_comes_back_as_it_was(self, ask, area, title):
        made = await ask("bo", "POST", "proposals", 201, NEED | {"title": title})
        assert (await ask("nobody", "GET", f"proposals/{made['id']}"))["title"] == title


class TestDecisions:
    async def test_a_steward_records_one_with_its_members(self, ask, db, decision):
        assert decision["members"] == [
            {"name": "Åsa Öberg", "organisation": "environment"},
            {"name": "محمد", "organisation": None},
        ]
        assert await ask("rut", "GET", f"decisions/{decision['id']}") == decision
        assert (await ask("rut", "GET", "decisions?area=miljo"))["decisions"] == [decision]
        assert await events(db, "decision/") == [
            ("person:stina", "decision.record", DECIDED["reference"])
        ]

    async def test_who_has_no_key_reads_none(self, ask, decision):
        await ask("nobody", "GET", "decisions", 401)
        await ask("nobody", "GET", f"decisions/{decision['id']}", 401)
        await ask("nobody", "POST", "decisions", 401, DECIDED)
        await ask("bo", "GET", "decisions/999", 404)

    async def test_it_is_recorded_once(self, ask, decision, unchanged):
        before = await unchanged()
        assert await ask("stina", "POST", "decisions", 201, DECIDED) == decision
        refused = await ask("stina", "POST", "decisions", 409, DECIDED | {"text": "anders"})
        assert "not changed" in refused["detail"]
        assert await unchanged() == before

    @pytest.mark.parametrize(
        ("name", "changes", "status"),
        [
            ("bo", {}, 403),
            ("application", {}, 403),
            ("stina", {"area": None}, 403),
            ("stina", {"area": "none"}, 404),
            ("stina", {"members": []}, 400),
            ("stina", {"members": [{"name": ""}]}, 400),
            ("stina", {"members": [{"name": "Bo", "organisation": "nowhere"}]}, 404),
            ("stina", {"decided_on": TOO_EARLY}, 400),
            ("stina", {"decided_on": "yesterday"}, 400),
            ("stina", {"reference": "a\nb"}, 400),
        ],
    )  # fmt: skip
    async def test_what_is_refused_records_nothing(
        self, ask, area, unchanged, name, changes, status
    ):
        before = await unchanged()
        await ask(name, "POST", "decisions", status, DECIDED | changes)
        assert await unchanged() == before

    async def test_what_is_decided_for_all_is_recorded_by_an_administrator(self, ask, area):
        made = await ask("chef", "POST", "decisions", 201, DECIDED | {"area": None})
        assert made["area"] is None


class TestPlatforms:
    @pytest.fixture
    async def airview(self, ask, area):
        return await ask("anna", "PUT", "platforms/airview", body=PLATFORM | {"area": "miljo"})

    async def test_the_inventory_is_for_the_hub_s_organisations(self, ask, airview):
        await ask("nobody", "GET", "platforms", 401)
        await ask("nobody", "GET", "platforms/airview", 401)
        await ask("nobody", "PUT", "platforms/airview", 401, PLATFORM)
        assert (await ask("rut", "GET", "platforms"))["platforms"] == [airview]
        assert (await ask("rut", "GET", "platforms?state=keep"))["platforms"] == []
        await ask("rut", "GET", "platforms/none", 404)

    async def test_from_found_to_a_conclusion_that_was_decided(self, ask, db, airview, decision):
        await ask("stina", "POST", "platforms/airview:assess", body={"text": "Gammal"})
        body = {"decision": decision["id"]}
        made = await ask("anna", "POST", "platforms/airview:connect", body=body)
        assert (made["state"], made["assessment"]) == ("connect", "Gammal")
        again = await ask("anna", "POST", "platforms/airview:assess", body={"text": "Ny prövning"})
        assert (again["state"], again["decision"]) == ("assessed", None)
        await ask("chef", "POST", "platforms/airview:retire", body=body)
        assert [one[1:] for one in await events(db, "platform/")] == [
            ("platform.find", ""), ("platform.assess", ""),
            ("platform.connect", DECIDED["reference"]), ("platform.assess", ""),
            ("platform.retire", DECIDED["reference"]),
        ]  # fmt: skip

    async def test_an_illegal_step_changes_nothing(self, ask, airview, decision, unchanged):
        before, body = await unchanged(), {"decision": decision["id"]}
        refused = await ask("anna", "POST", "platforms/airview:keep", 409, body)
        assert "possible is assess" in refused["detail"]
        await ask("anna", "POST", "platforms/airview:keep", 400)
        await ask(
            "anna", "POST", "platforms/airview:keep", 400, {"decision": decision["id"], "into": "x"}
        )
        await ask("anna", "POST", "platforms/none:keep", 404, body)
        assert await unchanged() == before
        await ask("anna", "POST", "platforms/airview:assess", body={"text": "x"})
        await ask("anna", "POST", "platforms/airview:retire", body=body)
        before = await unchanged()
        await ask("anna", "POST", "platforms/airview:retire", body=body)
        await ask("anna", "POST", "platforms/airview:assess", 409, {"text": "y"})
        assert await unchanged() == before

    @pytest.mark.parametrize("name", ["application", "bo", "rut", "ada"])
    async def test_the_wrong_side_changes_nothing(self, ask, airview, decision, unchanged, name):
        before, body = await unchanged(), {"decision": decision["id"]}
        wanted = PLATFORM | {"name": "Mine", "organisation": "environment"}
        await ask(name, "PUT", "platforms/airview", 403, wanted)
        await ask(name, "POST", "platforms/airview:assess", 403, {"text": "x"})
        await ask(name, "POST", "platforms/airview:retire", 403, body)
        assert await unchanged() == before

    async def test_a_steward_prepares_and_does_not_conclude(self, ask, airview, decision):
        await ask("stina", "POST", "platforms/airview:assess", body={"text": "x"})
        body = {"decision": decision["id"]}
        await ask("stina", "POST", "platforms/airview:keep", 403, body)

    async def test_nobody_takes_a_platform_into_an_area_of_theirs(self, ask, airview):
        mine = AREA | {"stewards": ["bo"], "name": "Trafik"}
        await ask("chef", "PUT", "business-areas/trafik", body=mine)
        taken = PLATFORM | {"organisation": "environment", "area": "trafik"}
        await ask("bo", "PUT", "platforms/airview", 403, taken)
        await ask("bo", "PUT", "platforms/airview", 409, taken | {"organisation": "traffic"})

    async def test_entering_the_same_again_changes_nothing(self, ask, airview, unchanged):
        before = await unchanged()
        body = PLATFORM | {"area": "miljo"}
        assert await ask("anna", "PUT", "platforms/airview", body=body) == airview
        assert await unchanged() == before
        changed = await ask("anna", "PUT", "platforms/airview", body=body | {"supplier": "Nya AB"})
        assert changed["supplier"] == "Nya AB"

    async def test_nothing_is_consolidated_into_what_goes_itself(self, ask, decision):
        body = {"decision": decision["id"]}
        for name in ("a", "b", "c"):
            await ask("anna", "PUT", f"platforms/{name}", body=PLATFORM | {"area": "miljo"})
            await ask("anna", "POST", f"platforms/{name}:assess", body={"text": "x"})
        consolidate = "platforms/{}:consolidate".format
        for into in ("a", "none"):
            await ask("anna", "POST", consolidate("a"), 400, body | {"into": into})
        await ask("anna", "POST", consolidate("a"), body=body | {"into": "b"})
        await ask("anna", "POST", consolidate("b"), 409, body | {"into": "a"})
        await ask("anna", "POST", consolidate("b"), 409, body | {"into": "c"})
        await ask("anna", "POST", "platforms/b:retire", 409, body)
        await ask("anna", "POST", consolidate("c"), 409, body | {"into": "a"})
        await ask("anna", "POST", consolidate("c"), body=body)  # into the hub itself


class TestCommands:
    async def run(self, database_url, *words):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", "admin", *words, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "STADSNAV_DATABASE_URL": database_url},
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode, (out + err).decode()

    async def test_the_whole_portfolio_from_the_terminal(self, database_url, db, who):
        for words, told in (
            (("business-area", "put", "miljo", "--name", "Miljö", "--steward", "stina",
              "--organisation", "environment"), "business area miljo: 1 organisations"),
            (("business-area", "feed", "miljo", "noise"), "business area miljo: noise"),
            (("business-area", "list"), "Miljö"),
            (("proposal", "submit", "miljo", "new-feed", "--organisation", "region", "--title",
              "Luft", "--need", "Hälsa"), "proposal 1 is submitted"),
            (("proposal", "step", "1", "assess", "--text", "Ja"), "proposal 1 is assessed"),
            (("proposal", "step", "1", "decline", "--text", "Nej"), "proposal 1 is declined"),
            (("proposal", "list", "--state", "declined"), "Nej"),
            (("decision", "record", "KS 1", "--title", "Luft", "--decided-on", "2026-11-20",
              "--member", "Åsa@environment", "--member", "Bo Ek"),
             "decision 1 is recorded as KS 1"),
            (("decision", "list"), "Åsa, Bo Ek"),
            (("platform", "put", "airview", "--organisation", "environment", "--name", "AirView",
              "--contract-until", "2027-12-31"), "platform airview: found"),
            (("platform", "step", "airview", "assess", "--text", "x"), "airview: assessed"),
            (("platform", "step", "airview", "keep", "--decision", "1"), "platform airview: keep"),
            (("platform", "list"), "2027-12-31"),
            (("business-area", "feed", "miljo", "noise", "--remove"), "miljo: no feeds"),
        ):  # fmt: skip
            code, said = await self.run(database_url, *words)
            assert code == 0, said
            assert told in said
        code, said = await self.run(database_url, "proposal", "step", "1", "assess", "--text", "x")
        assert (code, "cannot be assessed: it has been answered" in said) == (2, True), said
        code, said = await self.run(
            database_url, "business-area", "put", "miljo", "--name", "a\x1bb"
        )
        assert code == 2
        assert "U+001B" in said
        actors = {row["actor"].partition(":")[0] for row in await db.fetch("table audit_event")}
        assert actors == {"operator"}
        assert (await audit.verify(db)).fault is None
        told = await db.fetchval("select detail from audit_event where action = 'decision.record'")
        assert json.loads(told)["members"] == ["Åsa", "Bo Ek"]
