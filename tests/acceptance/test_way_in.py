"""From a device's publish to the store: nothing lost, nothing twice, nothing unexplained."""

import asyncio
import hashlib
import json
import random
import signal
import time
from datetime import timedelta

import aiomqtt
import pytest

from hub.broker.access import hash_password
from hub.storage import ledger
from hub.storage.pool import connect

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def topic(device):
    return f"v1/devices/{device}/readings"


def payload(at, value, observed="laeq"):
    time = {} if at is None else {"time": at.isoformat()}
    return json.dumps({**time, "values": {observed: value}})


async def accounted(db, connector="mqtt"):
    [row] = [row for row in await ledger.totals(db) if row["id"] == connector]
    assert row["received"] == row["stored"] + row["duplicates"] + row["rejected"]
    assert await ledger.broken_batch(db) is None
    return row


async def stored(db):
    return await db.fetchval("select count(*) from reading")


@pytest.mark.parametrize("timed", [True, False], ids=["timed", "untimed"])
async def test_killed_at_random_moments_every_reading_is_stored_exactly_once(
    system, db, city, make, timed
):
    count, kills, chosen = 20_000, 6, random.Random(11)  # noqa: S311
    published = asyncio.Event()

    async def publish():
        async with system.device("noise-1") as device:
            device.pending_calls_threshold = 500
            slots = asyncio.Semaphore(200)

            async def one(number):
                async with slots:
                    at = make.noon + timedelta(milliseconds=number) if timed else None
                    value = 40 + number / 1000
                    await device.publish(topic("noise-1"), payload(at, value), qos=1)

            await asyncio.gather(*(one(number) for number in range(count)))
        published.set()

    async def ingest_and_kill():
        for _ in range(kills):
            child = system.child("ingest")
            await child.start()
            before = await stored(db)

            async def progressed(before=before):
                return published.is_set() or await stored(db) > before

            await make.eventually(progressed, 30)
            await asyncio.sleep(chosen.uniform(0, 0.4))
            child.signal(signal.SIGKILL)
            await child.wait()

    async with system.running("ingest"):
        await system.until_subscribed()  # from here on the broker keeps our session
        await make.eventually(lambda: device_known(system))
    async with asyncio.TaskGroup() as group:
        group.create_task(publish())
        group.create_task(ingest_and_kill())
    async with system.running("ingest"):

        async def complete():
            return await stored(db) == count

        await make.eventually(complete, 60)
        row = await accounted(db)
        assert row["stored"] == count
        assert row["rejected"] == 0
    rows = await db.fetch("select value from reading")
    assert sorted(row["value"] for row in rows) == [40 + number / 1000 for number in range(count)]


async def device_known(system):
    return "noise-1:" in system.broker.passwords.read_text()


UGLY = {
    "not_json": b"{",
    "too_large": b'{"values": {"laeq": 1}}' + b" " * 1_000_000,
    "too_deep": b"[" * 1000 + b"]" * 1000,
    "duplicate_key": b'{"values": {"laeq": 1, "laeq": 2}}',
    "bad_value": b'{"values": {"laeq": 1e999}}',
    "unknown_property": b'{"values": {"gold": 1}}',
    "time_too_old": b'{"time": "1970-01-01T00:00:00Z", "values": {"laeq": 50}}',
    "time_in_future": b'{"time": "2090-01-01T00:00:00Z", "values": {"laeq": 50}}',
    "time_without_offset": b'{"time": "2026-11-20T09:00:00", "values": {"laeq": 50}}',
    "bad_time": b'{"time": "never", "values": {"laeq": 50}}',
    "wrong_type": b'{"values": {"laeq": "loud"}}',
    "empty": b"[]",
    "too_many_values": json.dumps(
        {"values": {f"p{n}": 1 for n in range(10_000)}}, separators=(",", ":")
    ).encode(),
}
ALSO_NOT_JSON = [b'{"values": {"laeq": NaN}}', b'{"values": {"laeq": "\\ud800"}}']


async def test_ugly_messages_are_rejected_with_their_reason_and_disturb_nobody(
    system, db, city, make
):
    async with system.running("ingest"):
        await system.until_subscribed()
        await make.eventually(lambda: device_known(system))
        good = 0
        async with system.device("noise-1") as device, system.device("noise-2") as neighbour:
            for body in [*UGLY.values(), *ALSO_NOT_JSON]:
                await device.publish(topic("noise-1"), body, qos=1)
                at = make.noon + timedelta(seconds=good)
                await neighbour.publish(topic("noise-2"), payload(at, 50), qos=1)
                good += 1
            await device.publish(topic("noise-1"), b'{"values": {"laeq": 500}}', qos=1)

        async def all_counted():
            row = await accounted(db)
            return row if row["messages"] == 2 * good + 1 else None

        row = await make.eventually(all_counted)
    assert (row["stored"], row["rejected"]) == (good + 1, good)
    kept = await db.fetch("select reason, payload, payload_bytes from rejection")
    assert {r["reason"] for r in kept} == set(UGLY)
    assert len(kept) == len(UGLY) + len(ALSO_NOT_JSON)
    by_reason = {r["reason"]: r for r in kept}
    assert by_reason["duplicate_key"]["payload"] == UGLY["duplicate_key"]
    assert by_reason["too_large"]["payload_bytes"] == len(UGLY["too_large"])
    assert await db.fetchval("select quality from reading where value = 500") == 1


async def test_an_unknown_device_is_rejected_until_the_rule_takes_it_in(system, db, city, make):
    # Another broker may let devices in that the hub has never heard of: here the hub's own user.
    passwords = system.broker.passwords.read_text()
    system.broker.passwords.write_text(passwords + f"visitor:{hash_password('visitor')}\n")
    rights = f"user {make.hub_user}\ntopic read #\nuser visitor\ntopic write #\n"
    system.broker.acl.write_text(rights)
    system.broker.child.signal(signal.SIGHUP)
    system.keeps_users = False
    hub = {"username": "visitor", "password": "visitor"}

    async def messages():
        return (await accounted(db))["messages"]

    async with system.running("ingest"):
        await system.until_subscribed()
        async with system.device("visitor", **hub) as visitor:
            await visitor.publish(topic("unknown-1"), payload(make.noon, 50), qos=1)
            await make.eventually(messages)
            assert await db.fetchval("select reason from rejection") == "unknown_device"
            code, told = await system.run(
                "admin", "connector", "rule", "mqtt", "--register-under", "environment"
            )
            assert code == 0, told

            async def taken_in():
                await visitor.publish(topic("unknown-1"), payload(make.noon, 50), qos=1)
                return await stored(db)

            await make.eventually(taken_in)
    assert await db.fetchval("select organisation from device where id = 'unknown-1'") == (
        "environment"
    )


async def test_a_device_hears_what_became_of_its_message_once_it_is_committed(
    system, db, city, make
):
    code, told = await system.run("admin", "device", "receipts", "noise-1", "on")
    assert code == 0, told
    async with system.running("ingest"):
        await system.until_subscribed()
        await make.eventually(lambda: device_known(system))
        async with system.device("noise-1") as device, system.device("noise-2") as other:
            for one in (device, other):
                await one.subscribe(f"v1/devices/{one.identifier}/receipts", qos=1)
            for body in (payload(make.noon, 50), "{", payload(make.noon, 50)):
                await device.publish(topic("noise-1"), body, qos=1)
                await other.publish(topic("noise-2"), body, qos=1)
                receipt = json.loads((await receipt_of(device, 10)).payload)
                digest = hashlib.sha256(body.encode()).digest()[:16].hex()
                assert receipt["payload"] == f"sha256:{digest}"
                assert [r["reason"] for r in receipt["rejected"]] == (
                    ["not_json"] if body == "{" else []
                )
                assert receipt["accepted"] == (0 if body == "{" else 1)
                assert await stored_of(db, "noise-1") == 1  # committed before it is told
            assert await receipt_of(other) is None  # it did not ask


async def stored_of(db, device):
    return await db.fetchval(
        "select count(*) from reading r join datastream s on s.id = r.datastream_id "
        "where s.device = $1",
        device,
    )


async def test_a_retained_reading_is_taken_once_and_its_copies_are_rejected(system, db, city, make):
    async with system.running("ingest"):
        await system.until_subscribed()
        await make.eventually(lambda: device_known(system))
        async with system.device("noise-1") as device:
            await device.publish(topic("noise-1"), payload(make.noon, 50), qos=1, retain=True)
        await make.eventually(lambda: stored(db))
    async with system.running("ingest"):  # subscribing again brings the copy

        async def copied():
            return await db.fetchval("select reason from rejection")

        assert await make.eventually(copied) == "retained"
    row = await accounted(db)
    assert (row["stored"], row["rejected"]) == (1, 1)


async def test_broker_and_database_go_away_and_come_back_and_nothing_is_lost(
    system, db, server_url, database_url, city, make
):
    async with system.running("ingest"):
        await system.until_subscribed()
        await make.eventually(lambda: device_known(system))
        sent = 0

        async def publish(count):
            nonlocal sent
            async with system.device("noise-1") as device:
                for _ in range(count):
                    at = make.noon + timedelta(seconds=sent)
                    await device.publish(topic("noise-1"), payload(at, 50), qos=1)
                    sent += 1

        async def all_stored():
            async with connect(database_url) as fresh:
                return await stored(fresh) == sent

        await publish(50)
        await make.eventually(all_stored)

        await system.broker.child.stop()  # politely: with persistence it writes its state
        await system.broker.child.start()
        await make.eventually(lambda: connects(system))
        await publish(50)
        await make.eventually(all_stored, 30)

        name = await db.fetchval("select current_database()")
        async with connect(server_url) as server:
            await server.execute(f'alter database "{name}" with allow_connections false')
            await cut_off(db)
            await publish(50)
            log = system.folder / "ingest.log"
            await make.eventually(lambda: refused(log))  # it has met the closed door
            await server.execute(f'alter database "{name}" with allow_connections true')
        await make.eventually(all_stored, 30)
        await accounted(db)


async def refused(log):
    return "not currently accepting connections" in log.read_text()


async def connects(system):
    try:
        async with system.device("noise-1"):
            return True
    except aiomqtt.MqttError:
        return False


async def cut_off(db):
    await db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )


async def receipt_of(listener, timeout_s=1.0):
    """Return the next message that a subscriber gets, or None."""
    try:
        async with asyncio.timeout(timeout_s):
            async for message in listener.messages:
                return message
    except TimeoutError:
        return None


class TestRights:
    """What a device may do at the broker, tried against a real one."""

    @pytest.fixture
    async def kept(self, system, make):
        async with system.running("ingest"):
            await system.until_subscribed()
            await make.eventually(lambda: device_known(system))
            yield system

    async def test_no_password_is_readable_at_rest(self, kept, make):
        for path in kept.folder.rglob("*"):
            if path.is_file():
                assert make.device_password.encode() not in path.read_bytes(), path

    async def test_another_s_topic_is_closed(self, kept, db, make):
        async with kept.device("noise-1") as device:
            for other in ("noise-2", "noise-1/x", "private-1"):
                await device.publish(topic(other), payload(make.noon, 50), qos=1)
            await device.publish("v1/feeds/noise/readings", b"{}", qos=1)
            await device.publish(topic("noise-1"), payload(make.noon, 51), qos=1)
        await make.eventually(lambda: stored(db))
        rows = await db.fetch("select datastream_id, value from reading")
        assert [row["value"] for row in rows] == [51.0]
        assert (await accounted(db))["messages"] == 1

    async def test_nobody_takes_over_the_hub_s_session_or_another_device_s(self, kept, db, make):
        # A clean session under the hub's client id would end the hub's, with all that it holds.
        for victim in ("stadsnav-ingest", make.hub_user, "noise-2"):
            thief = aiomqtt.Client(
                "127.0.0.1", kept.broker.port, identifier=victim, username="noise-1",
                password=make.device_password,
            )  # fmt: skip
            async with kept.device("noise-2") as device:
                async with thief:
                    at = make.noon + timedelta(seconds=len(victim))
                    await device.publish(topic("noise-2"), payload(at, 50), qos=1)
                await device.publish(topic("noise-2"), payload(at, 51), qos=1)

        async def all_counted():
            return (await accounted(db))["received"] == 6

        await make.eventually(all_counted)
        assert "closed the connection" not in (kept.folder / "ingest.log").read_text()

    async def test_a_device_hears_nobody_s_readings(self, kept, make):
        async with kept.device("noise-1") as spy, kept.device("noise-2") as talker:
            for pattern in ("#", "v1/devices/+/readings", "v1/devices/noise-2/readings",
                            "$share/x/v1/devices/+/readings"):  # fmt: skip
                await spy.subscribe(pattern, qos=1)
            await talker.publish(topic("noise-2"), payload(make.noon, 50), qos=1)
            assert await receipt_of(spy) is None

    @pytest.mark.parametrize(
        "credentials",
        [{"username": None, "password": None}, {"password": "wrong"}, {"username": "nobody"}],
    )
    async def test_a_wrong_credential_is_refused(self, kept, credentials):
        with pytest.raises(aiomqtt.MqttError):
            async with kept.device("noise-1", **credentials):
                pass

    async def test_a_device_is_welcome_as_soon_as_it_is_registered(self, kept, db, make):
        code, told = await kept.run(
            "admin", "device", "create", "new-1", "--organisation", "environment",
            "--property", "laeq",
        )  # fmt: skip
        assert code == 0, told
        password = told.split("password")[1].split()[0]

        async def welcome():
            try:
                async with kept.device("new-1", password=password) as device:
                    await device.publish(topic("new-1"), payload(make.noon, 50), qos=1)
                    return True
            except aiomqtt.MqttError:
                return False

        started = time.monotonic()
        await make.eventually(welcome)
        assert time.monotonic() - started < 5
        await make.eventually(lambda: stored(db))
        assert (await accounted(db))["rejected"] == 0

    async def test_a_new_password_ends_the_old_one(self, kept, make):
        code, told = await kept.run("admin", "device", "password", "noise-1")
        assert code == 0, told

        async def refused():
            return not await connects(kept)

        await make.eventually(refused)

    async def test_a_decommissioned_device_is_refused(self, kept, make):
        code, told = await kept.run("admin", "device", "state", "noise-1", "decommissioned")
        assert code == 0, told

        async def refused():
            return not await connects(kept)

        await make.eventually(refused)
