"""Is every change of the audit found, from within and from outside, and can one event be proved?"""

import asyncio
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hub.commands import anchoring
from hub.commands.anchoring import anchor_outside, anchors_outside
from hub.commands.maintain import run_maintain
from hub.commands.outside import outside_at
from hub.domain import anchors as domain_anchors
from hub.domain.anchors import parse_anchor
from hub.domain.audit import FIRST_HASH, Event, link
from hub.domain.people import Person, Role
from hub.errors import ConfigurationError, OutsideFailed
from hub.settings import Settings
from hub.sharing.keys import new_key
from hub.storage import audit, people
from hub.storage.pool import connect

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def event(number, *organisations):
    concerned = frozenset(organisations or {"environment", "traffic"})
    return Event(
        "person:åsa", "environment", "agreement.accept", f"agreement/{number}", concerned, NOW,
        "för att", "2026-17", "{}",
    )  # fmt: skip


async def append(db, *events):
    async with db.transaction():
        await audit.append(db, *events)


@pytest.fixture
async def chain(db):
    """Six events, appended by twos, and one."""
    await append(db, event(1), event(2))
    await append(db, event(3), event(4))
    await append(db, event(5))
    await append(db, event(6))


@pytest.fixture
async def owner(db):
    """The database's owner, whom no trigger stops."""
    await db.execute("alter table audit_event disable trigger all")
    return db


async def rows(db):
    return [tuple(r.values()) for r in await db.fetch("select * from audit_event order by 1")]


async def replace_chain(db, events):
    """Compute a whole new chain, as only the database's owner could."""
    await db.execute("delete from audit_event")
    await append(db, *events)


FORGED = {
    "altered": ("update audit_event set actor = 'person:eve' where position = 3", 3),
    "altered in a hidden column": (
        "update audit_event set organisations = array['traffic', null] where position = 3", 3),
    "altered time": ("update audit_event set at = 'infinity' where position = 3", 3),
    "removed": ("delete from audit_event where position = 3", 3),
    "removed first": ("delete from audit_event where position = 1", 1),
    "removed and numbered anew": (
        ("delete from audit_event where position = 3;"
        "update audit_event set position = position - 100 where position > 3;"
        "update audit_event set position = position + 99 where position < 0"), 3),
    "inserted": (
        ("update audit_event set position = position + 100 where position > 2;"
        "update audit_event set position = position - 99 where position > 100;"
        "insert into audit_event select 3, at, actor, organisation, action, 'agreement/9',"
        " organisations, reason, decision, detail, hash, 'x' from audit_event where position = 2"),
        3),
    "inserted before all": (
        ("insert into audit_event select -5, at, actor, organisation, action, subject,"
        " organisations, reason, decision, detail, previous, hash from audit_event"
        " where position = 1"), -5),
    "inserted after all": (
        ("insert into audit_event select 1000, at, actor, organisation, action, subject,"
        " organisations, reason, decision, detail, previous, hash from audit_event"
        " where position = 1"), 7),
    "reordered": (
        ("update audit_event set position = -3 where position = 3;"
        "update audit_event set position = 3 where position = 4;"
        "update audit_event set position = 4 where position = -3"), 3),
}  # fmt: skip


async def test_an_untouched_chain_holds(db, chain):
    verified = await audit.verify(db)
    assert (verified.events, verified.fault) == (6, None)
    assert (verified.events, verified.hash) == await audit.newest(db)


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("forged", FORGED)
async def test_what_the_owner_of_the_database_plants_is_found(
    chain, owner, forged, page, monkeypatch
):
    monkeypatch.setattr(audit, "AT_A_TIME", page)
    statement, position = FORGED[forged]
    await owner.execute(statement)
    fault = (await audit.verify(owner)).fault
    assert fault is not None
    assert fault.position == position
    assert f"event {position}" in fault.what


async def test_an_event_with_a_hash_that_fits_is_found(chain, owner):
    third = await audit.one(owner, 3)
    forged = link(3, replace(third.event, actor="person:eve"), third.previous)
    await owner.execute(
        "update audit_event set actor = 'person:eve', hash = $1 where position = 3", forged.hash
    )
    assert (await audit.verify(owner)).fault.position == 3


class TestAFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "anchors"

    @pytest.fixture
    def outside(self, path):
        return outside_at(str(path))

    async def test_is_told_what_is_new_and_nothing_twice(self, db, chain, outside, path):
        told = await anchor_outside(db, outside, NOW)
        assert (told.written, told.newest.first, told.newest.last) == (1, 1, 6)
        assert (await anchor_outside(db, outside, NOW)).written == 0
        await append(db, event(7))
        await anchor_outside(db, outside, NOW)
        found = [parse_anchor(line) for line in path.read_text().splitlines()]
        assert [(one.first, one.last) for one in found] == [(1, 6), (7, 7)]
        assert await audit.anchors(db) == found
        assert (await audit.verify(db, anchors=found)).fault is None

    async def test_nothing_was_done_and_nothing_is_written(self, db, outside, path):
        assert await anchor_outside(db, outside, NOW) == (0, None)
        assert not path.exists()

    async def test_many_events_are_several_anchors(self, db, chain, outside, monkeypatch):
        monkeypatch.setattr(audit, "MOST_EVENTS", 4)
        assert (await anchor_outside(db, outside, NOW)).written == 2
        found = await anchors_outside(db, outside)
        assert [(one.first, one.last) for one in found] == [(1, 4), (5, 6)]
        assert (await audit.verify(db, anchors=found)).fault is None

    async def test_a_chain_that_was_cut_off_is_found(self, chain, owner, outside):
        await anchor_outside(owner, outside, NOW)
        await owner.execute("delete from audit_event where position > 4")
        assert (await audit.verify(owner)).fault is None, "the chain alone does not tell"
        fault = (await audit.verify(owner, anchors=await anchors_outside(owner, outside))).fault
        assert fault.position == 5
        assert "event 5 was removed" in fault.what

    async def test_a_chain_that_was_emptied_is_found(self, chain, owner, outside):
        await anchor_outside(owner, outside, NOW)
        await owner.execute("delete from audit_event")
        assert (await audit.verify(owner)).fault is None
        fault = (await audit.verify(owner, anchors=await outside.after(0))).fault
        assert fault.position == 1

    @pytest.mark.parametrize("length", [6, 9])
    async def test_a_chain_that_was_replaced_is_found(self, chain, owner, outside, length):
        await anchor_outside(owner, outside, NOW)
        forged = [event(number) for number in range(1, length + 1)]
        forged[3] = replace(forged[3], actor="person:eve")
        await replace_chain(owner, forged)
        assert (await audit.verify(owner)).fault is None
        fault = (await audit.verify(owner, anchors=await outside.after(0))).fault
        assert "events 1 to 6 are not those of anchor 1" in fault.what

    async def test_what_was_replaced_after_an_anchor_that_fits_is_told_as_such(
        self, chain, owner, outside
    ):
        await anchor_outside(owner, outside, NOW)
        await append(owner, event(7), event(8))
        await anchor_outside(owner, outside, NOW)
        whole = [event(number) for number in range(1, 9)]
        await replace_chain(owner, [*whole[:6], event(99), whole[7]])
        fault = (await audit.verify(owner, anchors=await outside.after(0))).fault
        assert fault.position == 7

    async def test_anchors_that_were_changed_are_found(self, db, chain, outside, path):
        await anchor_outside(db, outside, NOW)
        await append(db, event(7))
        await anchor_outside(db, outside, NOW)
        first, second = path.read_text().splitlines()
        forged = replace(parse_anchor(first), root=bytes(32)).line
        path.write_text(f"{forged}\n{second}\n")
        fault = (await audit.verify(db, anchors=await anchors_outside(db, outside))).fault
        assert "anchor 2 does not follow" in fault.what
        path.write_text(f"{forged}\n")
        with pytest.raises(OutsideFailed, match="anchor 1 outside is not the one"):
            await anchors_outside(db, outside)
        path.write_text(f"{first}\n")
        with pytest.raises(OutsideFailed, match="anchors 2 to 2 are missing outside"):
            await anchors_outside(db, outside)
        path.write_text(f"{first}\n{second[:40]}")
        with pytest.raises(OutsideFailed, match=r"line 2 of .* cut off"):
            await anchor_outside(db, outside, NOW)

    async def test_a_new_place_gets_all_of_them(self, db, chain, outside, tmp_path, path):
        await anchor_outside(db, outside, NOW)
        await append(db, event(7))
        other = outside_at(str(tmp_path / "other"))
        assert (await anchor_outside(db, other, NOW)).written == 2
        assert (await anchor_outside(db, outside, NOW)).written == 1
        assert (tmp_path / "other").read_text() == path.read_text()

    async def test_killed_before_its_commit_it_goes_on_from_what_is_outside(
        self, db, chain, outside, monkeypatch
    ):
        async def killed(*_):
            raise asyncio.CancelledError

        with monkeypatch.context() as patched:
            patched.setattr(anchoring.audit, "add_anchor", killed)
            with pytest.raises(asyncio.CancelledError):
                await anchor_outside(db, outside, NOW)
        assert await audit.anchors(db) == []
        await append(db, event(7))
        told = await anchor_outside(db, outside, NOW)
        assert (told.written, told.newest.number) == (1, 2)
        found = await anchors_outside(db, outside)
        assert await audit.anchors(db) == found
        assert (await audit.verify(db, anchors=found)).fault is None

    async def test_another_hub_s_place_is_refused(self, db, chain, outside, path):
        path.write_text(domain_anchors.anchor(None, [bytes(32)], NOW).line + "\n")
        with pytest.raises(OutsideFailed, match="another hub's place"):
            await anchor_outside(db, outside, NOW)
        assert await audit.anchors(db) == []

    async def test_two_at_once_write_one_anchor(self, db, database_url, chain, outside):
        async with connect(database_url) as other:
            told = await asyncio.gather(
                anchor_outside(db, outside, NOW), anchor_outside(other, outside, NOW)
            )
        assert sorted(one.written for one in told) == [0, 1]

    async def test_where_nobody_may_write_nothing_is_committed(self, db, chain, tmp_path):
        with pytest.raises(OutsideFailed, match="cannot write anchor 1"):
            await anchor_outside(db, outside_at(str(tmp_path / "nowhere" / "anchors")), NOW)
        assert await audit.anchors(db) == []

    async def test_the_hub_s_copies_can_only_be_added_to(self, db, chain, outside):
        await anchor_outside(db, outside, NOW)
        for statement in ("update audit_anchor set line = ''", "delete from audit_anchor"):
            with pytest.raises(Exception, match="only ever added to"):
                await db.execute(statement)


class Archive(BaseHTTPRequestHandler):
    """An object store in which everything is written once."""

    kept: dict[str, bytes]

    def do_GET(self):
        if self.headers["Authorization"] != "Bearer secret-of-the-tests":
            self.send_error(HTTPStatus.FORBIDDEN)
        elif self.path in self.kept:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            self.wfile.write(self.kept[self.path])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path in self.kept and self.headers["If-None-Match"] == "*":
            self.send_error(HTTPStatus.PRECONDITION_FAILED)
        elif self.headers["Authorization"] != "Bearer secret-of-the-tests":
            self.send_error(HTTPStatus.FORBIDDEN)
        else:
            self.kept[self.path] = body
            self.send_response(HTTPStatus.CREATED)
            self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def archive():
    """The address of an archive, and what it keeps."""
    kept = {}
    handler = type("Here", (Archive,), {"kept": kept})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stadsnav", kept
    server.shutdown()
    thread.join()
    server.server_close()


class TestAUrl:
    async def test_gets_an_object_each_and_is_read_again(self, db, chain, archive):
        url, kept = archive
        outside = outside_at(f"{url}/", "secret-of-the-tests")
        for number in range(7, 12):
            await anchor_outside(db, outside, NOW)
            await append(db, event(number))
        assert sorted(kept) == [f"/stadsnav/{number}.json" for number in range(1, 6)]
        assert await outside.newest() == 5
        found = await anchors_outside(db, outside)
        assert found == await audit.anchors(db)
        assert (await audit.verify(db, anchors=found)).fault is None

    async def test_who_has_written_first_is_not_overwritten(self, db, chain, archive):
        url, _kept = archive
        outside = outside_at(url, "secret-of-the-tests")
        await anchor_outside(db, outside, NOW)
        with pytest.raises(OutsideFailed, match="412"):
            await outside.write((await audit.anchors(db))[0])

    async def test_a_wrong_token_is_told(self, db, chain, archive):
        with pytest.raises(OutsideFailed, match="403"):
            await anchor_outside(db, outside_at(archive[0], "wrong"), NOW)

    async def test_nobody_answers(self, db, chain, archive):
        url = archive[0].replace("127.0.0.1", "127.0.0.2")
        with pytest.raises(OutsideFailed, match="failed"):
            await anchor_outside(db, outside_at(url), NOW)

    @pytest.mark.parametrize("address", ["ftp://x/y", "s3://x", "https://", "file:///etc/passwd"])
    def test_other_addresses_are_refused(self, address):
        with pytest.raises(ConfigurationError, match="file or at https"):
            outside_at(address)


class TestMaintaining:
    async def test_writes_an_anchor_where_it_was_told_where_to(
        self, db, chain, database_url, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("STADSNAV_DATABASE_URL", database_url)
        monkeypatch.setenv("STADSNAV_AUDIT_ANCHORS", str(tmp_path / "anchors"))
        await run_maintain(Settings(), once=True)
        assert len((tmp_path / "anchors").read_text().splitlines()) == 1


async def command(database_url, *words, **variables):
    """Run a command as its user would, and return its code and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "STADSNAV_DATABASE_URL": database_url, **variables},
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


class TestCommands:
    async def stadsnav(self, database_url, *words, **variables):
        return await command(database_url, "-m", "hub.cli", *words, **variables)

    async def test_an_auditor_proves_an_event_without_the_hub(
        self, db, chain, database_url, tmp_path
    ):
        anchors, told = tmp_path / "anchors", tmp_path / "proof.json"
        code, said = await self.stadsnav(database_url, "audit", "prove", "4")
        assert (code, "no anchor covers event 4" in said) == (2, True)
        code, said = await self.stadsnav(database_url, "audit", "anchor", "--anchors", str(anchors))
        assert (code, said[:17]) == (0, "1 anchors written"), said
        code, said = await self.stadsnav(database_url, "audit", "prove", "4", "--to", str(told))
        assert code == 0, said
        script = str(ROOT / "docs/examples/audit_proof.py")
        code, said = await command("", script, str(told), str(anchors))
        assert (code, said.split(" at ")[0]) == (
            0, "person:åsa did agreement.accept with agreement/4",
        ), said  # fmt: skip
        forged = json.loads(told.read_text())
        forged["event"]["actor"] = "person:eve"
        told.write_text(json.dumps(forged))
        code, said = await command("", script, str(told), str(anchors))
        assert code == 1
        assert "not what the anchor was made of" in said

    async def test_verifying_names_the_first_event(self, chain, owner, database_url, tmp_path):
        place = {"STADSNAV_AUDIT_ANCHORS": str(tmp_path / "anchors")}
        await self.stadsnav(database_url, "audit", "anchor", **place)
        code, said = await self.stadsnav(database_url, "audit", "verify", **place)
        assert code == 0, said
        assert "6 events hold" in said
        assert "1 anchors outside fit; they cover the first 6 events" in said
        await owner.execute("update audit_event set reason = 'x' where position = 4")
        code, said = await self.stadsnav(database_url, "admin", "audit", "verify")
        assert code == 1
        assert "the audit does not hold: event 4 was altered" in said


class TestProofs:
    @pytest.fixture
    async def who(self, db, city):
        async def person(name, organisation, role):
            fresh = new_key()
            await people.add(db, Person(name, name))
            await people.set_roles(db, name, organisation, [role])
            await people.add_key(
                db, name, organisation, prefix=fresh.prefix, key_hash=fresh.hash, expires_at=None
            )
            return {"Authorization": f"Bearer {fresh.key}"}

        return {
            "ada": await person("ada", "traffic", Role.AUDITOR),
            "eva": await person("eva", "environment", Role.AUDITOR),
            "rut": await person("rut", "region", Role.DATA_OFFICER),
            "sten": await person("sten", "traffic", Role.STEWARD),
            "chef": await person("chef", "stranger", Role.HUB_ADMINISTRATOR),
        }

    @pytest.fixture
    async def anchored(self, db, chain, who, tmp_path):
        await append(db, event(7, "environment", "traffic", "region"), event(8, "environment"))
        await anchor_outside(db, outside_at(str(tmp_path / "anchors")), NOW)
        await append(db, event(9))

    async def ask(self, http, position, headers=None):
        answer = await http.get(f"/api/v1/audit/{position}/proof", headers=headers)
        return answer.status_code, answer.json()

    async def test_nobody_unknown_and_no_steward_gets_one(self, http, anchored, who):
        assert (await self.ask(http, 3))[0] == 401
        assert (await self.ask(http, 3, who["sten"]))[0] == 403

    async def test_an_organisation_s_own_events_are_proved_and_no_others(self, http, anchored, who):
        status, told = await self.ask(http, 3, who["ada"])
        assert (status, told["event"]["subject"]) == (200, "agreement/3")
        assert (await self.ask(http, 8, who["ada"]))[0] == 404
        status, refused = await self.ask(http, 3, who["rut"])
        absent = (await self.ask(http, 999, who["rut"]))[1]
        assert status == 404
        assert refused == absent | {"detail": absent["detail"].replace("999", "3")}
        assert (await self.ask(http, 8, who["chef"]))[0] == 200

    async def test_a_proof_does_not_tell_one_consumer_of_another(self, http, anchored, who):
        status, refused = await self.ask(http, 7, who["ada"])
        assert status == 403
        assert "ask 'environment'" in refused["detail"]
        assert (await self.ask(http, 7, who["eva"]))[0] == 200
        assert (await self.ask(http, 7, who["chef"]))[0] == 200

    async def test_what_is_not_anchored_yet_is_409(self, http, anchored, who):
        assert (await self.ask(http, 9, who["ada"]))[0] == 409

    async def test_a_proof_is_checked_by_the_example(self, http, anchored, who, tmp_path):
        proof = tmp_path / "proof.json"
        for position in (1, 2, 6):
            proof.write_text(json.dumps((await self.ask(http, position, who["ada"]))[1]))
            script = str(ROOT / "docs/examples/audit_proof.py")
            code, said = await command("", script, str(proof), str(tmp_path / "anchors"))
            assert code == 0, said


async def test_two_writers_append_one_after_the_other(db, database_url):
    async with connect(database_url) as other:
        await asyncio.gather(
            *[append(where, event(n)) for where, n in ((db, 1), (other, 2))],
        )
    assert (await audit.verify(db)).events == 2
    assert (await audit.one(db, 1)).previous == FIRST_HASH
