"""Devices at a real Mosquitto, with the real commands: who gets in, how far, and until when."""

import asyncio
import csv
import json
import stat
from datetime import timedelta

import aiomqtt
import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def topic(device, what="readings"):
    return f"v1/devices/{device}/{what}"


def payload(make, second, value=50.0):
    at = make.noon + timedelta(seconds=second)
    return json.dumps({"time": at.isoformat(), "values": {"laeq": value}})


@pytest.fixture
async def ingest(system, make):
    """A hub at work, whose broker knows the registered devices."""
    async with system.running("ingest"):
        await system.until_subscribed()
        await make.eventually(lambda: known(system, "noise-1"))
        yield system


async def known(system, user):
    return f"\n{user}:" in system.broker.passwords.read_text()


async def gets_in(system, user, **options):
    try:
        async with asyncio.timeout(5), system.device(user, **options):
            return True
    except (aiomqtt.MqttError, TimeoutError):
        return False


async def is_ended(client):
    """Wait until the broker ends a connection; it has five seconds."""
    try:
        async with asyncio.timeout(5):
            async for _ in client.messages:
                pass
    except aiomqtt.MqttError:
        return True
    except TimeoutError:
        return False
    return True


async def values(db):
    return {row["value"] for row in await db.fetch("select value from reading")}


async def die_with_a_will(port, user, password, will_topic, will):
    """Connect with a will, then break the connection without a goodbye (MQTT 3.1.1, 3.1)."""

    def text(told):
        raw = told.encode()
        return len(raw).to_bytes(2, "big") + raw

    flags = 0x80 | 0x40 | 0x08 | 0x04 | 0x02  # user name, password, will at QoS 1, clean session
    told = [user, will_topic, will, user, password]
    body = text("MQTT") + bytes((4, flags, 0, 60)) + b"".join(map(text, told))
    length = bytes((len(body) % 128 | 0x80, len(body) // 128))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x10" + length + body)
    assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
    writer.transport.abort()


async def until_stored(db, make, value):
    async def stored():
        return value in await values(db)

    await make.eventually(stored)


def password_in(told):
    return told.split("password")[1].split()[0]


async def test_many_are_provisioned_from_a_table_and_sign_in(ingest, db, make, tmp_path):
    table, credentials = tmp_path / "noise.csv", tmp_path / "passwords.csv"
    lines = [f"field-{n},environment,laeq no2,noise,{17.9 + n / 1e4},59.4" for n in range(1_200)]
    table.write_text("\n".join(["id,organisation,properties,kind,lon,lat", *lines]))
    command = ("admin", "device", "provision", str(table), "--credentials", str(credentials))
    code, told = await ingest.run(*command)
    assert code == 0, told
    assert "1200 devices registered" in told
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    with credentials.open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["password"] for row in rows}) == 1_200
    assert rows[7]["password"] not in str(await db.fetch("select * from device_credential"))
    last = rows[-1]
    await make.eventually(lambda: known(ingest, last["user"]))
    async with ingest.device(last["user"], password=last["password"]) as device:
        await device.publish(last["topic"], payload(make, 1, 61.0), qos=1)
    await until_stored(db, make, 61.0)
    # Once more: nothing is done twice, nor written over.
    code, told = await ingest.run(*command)
    assert code != 0
    assert "1200 are registered already" in told
    code, told = await ingest.run(*command[:-1], str(tmp_path / "more.csv"), "--skip-existing")
    assert (code, "0 devices registered, 1200 were already" in told) == (0, True)


async def test_a_faulty_table_registers_nothing_and_names_the_lines(system, db, tmp_path):
    table = tmp_path / "noise.csv"
    table.write_text("id,organisation,properties\ngood,environment,laeq\nB#d,environment,laeq\n")
    code, told = await system.run("admin", "device", "provision", str(table))
    assert code != 0
    assert "line 3: 'B#d' is not a valid id" in told
    assert await db.fetchval("select count(*) from device where id = 'good'") == 0


async def test_both_passwords_work_while_one_replaces_the_other(ingest, db, make):
    code, told = await ingest.run("admin", "device", "rotate", "noise-1", "--overlap", "PT1H")
    assert code == 0, told
    assert "user      noise-1@2" in told
    new = password_in(told)
    await make.eventually(lambda: known(ingest, "noise-1@2"))
    async with (
        ingest.device("noise-1") as old_one,
        ingest.device("noise-1@2", password=new) as new_one,
    ):
        await old_one.publish(topic("noise-1"), payload(make, 1, 71.0), qos=1)
        await new_one.publish(topic("noise-1"), payload(make, 2, 72.0), qos=1)
        await new_one.publish(topic("noise-2"), payload(make, 3, 73.0), qos=1)
        await until_stored(db, make, 71.0)
        await until_stored(db, make, 72.0)
        # By the clock: nobody tells the hub that the overlap is over.
        await db.execute(
            "update device_credential set expires_at = now() + interval '1 second'"
            " where device = 'noise-1' and slot = 1"
        )
        assert await is_ended(old_one)
        assert not await gets_in(ingest, "noise-1")
        await new_one.publish(topic("noise-1"), payload(make, 4, 74.0), qos=1)
        await until_stored(db, make, 74.0)
    assert 73.0 not in await values(db)


@pytest.mark.parametrize(
    "command",
    [
        ("revoke",), ("quarantine", "--reason", "stolen"), ("state", "decommissioned"),
        ("password",),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
async def test_who_is_shut_out_is_cut_off_within_five_seconds(ingest, db, make, command):
    async with ingest.device("noise-1") as device:
        await device.publish(topic("noise-1"), payload(make, 1, 81.0), qos=1)
        await until_stored(db, make, 81.0)
        name, *options = command
        code, told = await ingest.run("admin", "device", name, "noise-1", *options)
        assert code == 0, told
        assert await is_ended(device)
    assert not await gets_in(ingest, "noise-1")
    assert await gets_in(ingest, "noise-2")


async def test_what_changed_while_ingest_was_away_counts_once_it_is_back(system, db, make):
    async with system.running("ingest"):
        await make.eventually(lambda: known(system, "noise-1"))
    await system.run("admin", "device", "revoke", "noise-1")
    code, told = await system.run(
        "admin", "device", "create", "fresh", "--organisation", "environment", "--property", "laeq"
    )
    assert code == 0, told
    assert await gets_in(system, "noise-1")  # nobody has told the broker yet
    async with system.running("ingest"):
        await make.eventually(lambda: known(system, "fresh"))
        assert await gets_in(system, "fresh", password=password_in(told))

        async def shut_out():
            return not await gets_in(system, "noise-1")

        await make.eventually(shut_out)


async def test_files_that_somebody_changed_are_as_the_registry_says_again(system, make):
    async with system.running("ingest"):
        await make.eventually(lambda: known(system, "noise-1"))
    rights = system.broker.acl.read_text()
    system.broker.passwords.write_text("intruder:$7$101$AAAA$AAAA\n")
    system.broker.acl.write_text("topic readwrite #\n")
    async with system.running("ingest"):
        await make.eventually(lambda: known(system, "noise-1"))
    assert system.broker.acl.read_text() == rights
    assert "intruder" not in system.broker.passwords.read_text()


class TestWaysAround:
    """One test for each known way to get further than one's own topic."""

    async def hears(self, ingest, make, subscription, *, user="noise-2", expected=False):
        """Tell whether a device that subscribes so hears another device's reading or receipt."""
        async with ingest.device(user) as spy, ingest.device("noise-1") as device:
            try:
                await spy.subscribe(subscription, qos=1)
            except aiomqtt.MqttError:
                return False
            await device.publish(topic("noise-1"), payload(make, 1), qos=1)
            try:
                async with asyncio.timeout(1.0):
                    async for _ in spy.messages:
                        return True
            except (TimeoutError, aiomqtt.MqttError):
                return False
        return False

    @pytest.mark.parametrize(
        "subscription",
        [
            "#", "+/#", "v1/#", "v1/devices/#", "v1/devices/+/readings",
            "v1/devices/noise-1/readings", "v1/devices/noise-1/receipts", "v1/devices/+/receipts",
            "v1/devices/+/+",
            "$share/stadsnav/v1/devices/+/readings", "$share/noise-2/v1/devices/noise-1/readings",
            "$share/x/#", "v1/devices/noise-1/#",
        ],
    )  # fmt: skip
    async def test_nobody_hears_others(self, ingest, db, make, subscription):
        await db.execute("update device set receipts = true")
        assert not await self.hears(ingest, make, subscription)

    @pytest.mark.parametrize(
        "name", ["#", "+", "noise-1/#", "+/readings", "$SYS", "a/b", "noise-1 "]
    )
    async def test_names_with_wildcards_cannot_be_registered(self, system, db, name):
        code, _ = await system.run(
            "admin", "device", "create", "--organisation", "environment", "--property", "laeq",
            "--", name,
        )  # fmt: skip
        assert code != 0
        assert await db.fetchval("select count(*) from device where id = $1", name) == 0

    async def test_a_taken_client_id_does_not_take_over_a_session(self, ingest, db, make):
        """The hub's own id in the hands of a device must not end ingest's connection."""
        for client_id in ("stadsnav-ingest", make.hub_user, "noise-1"):
            thief = aiomqtt.Client(
                "127.0.0.1", ingest.broker.port, identifier=client_id, username="noise-2",
                password=make.device_password,
            )  # fmt: skip
            async with thief:
                await thief.publish(topic("noise-2"), payload(make, 1, 90.0), qos=1)
        async with ingest.device("noise-1") as device:
            await device.publish(topic("noise-1"), payload(make, 2, 91.0), qos=1)
        await until_stored(db, make, 91.0)
        assert "closed the connection" not in (ingest.folder / "ingest.log").read_text()

    async def test_an_empty_acl_gives_nobody_a_right(self, ingest, db, make):
        acl = ingest.broker.acl.read_text()
        ingest.broker.acl.write_text("")
        ingest.broker.child.signal(1)
        async with ingest.device("noise-1") as device:
            await device.publish(topic("noise-1"), payload(make, 1, 92.0), qos=1)
            await device.publish(topic("noise-2"), payload(make, 1, 93.0), qos=1)
        ingest.broker.acl.write_text(acl)
        ingest.broker.child.signal(1)

        async def works_again():
            async with ingest.device("noise-1") as device:
                await device.publish(topic("noise-1"), payload(make, 2, 94.0), qos=1)
            return 94.0 in await values(db)

        await make.eventually(works_again)
        assert not {92.0, 93.0} & await values(db)

    async def test_a_retained_message_does_not_outlive_a_revocation(self, ingest, db, make):
        async with ingest.device("noise-1") as device:
            await device.publish(topic("noise-1"), payload(make, 1, 95.0), qos=1, retain=True)
        await until_stored(db, make, 95.0)
        await ingest.run("admin", "device", "revoke", "noise-1")
        # A session that begins now is sent what the broker retained: another process of ingest.
        user = f"{make.hub_user}-2"
        ingest.settings = {
            "STADSNAV_MQTT_CLIENT_ID": user,
            "STADSNAV_MQTT_URL": f"mqtt://{user}:{make.hub_password}@127.0.0.1:{ingest.broker.port}",
        }
        async with ingest.running("ingest"):

            async def refused():
                return await db.fetchval("select count(*) from rejection where reason = 'retained'")

            await make.eventually(refused)
        assert await values(db) == {95.0}
        assert await db.fetchval("select count(*) from reading") == 1

    async def test_a_will_on_another_s_topic_is_not_delivered(self, ingest, db, make):
        for number, whose in ((96.0, "noise-1"), (97.0, "noise-2")):
            await die_with_a_will(
                ingest.broker.port, "noise-2", make.device_password, topic(whose),
                payload(make, number, number),
            )  # fmt: skip
        await until_stored(db, make, 97.0)
        assert 96.0 not in await values(db)

    async def test_nobody_publishes_for_another_or_as_the_hub(self, ingest, db, make):
        async with ingest.device("noise-2") as device:
            for name in ("noise-1", "bus-1", "nobody"):
                await device.publish(topic(name), payload(make, 1, 98.0), qos=1)
            await device.publish(topic("noise-1", "receipts"), b"{}", qos=1)
            await device.publish("v1/feeds/noise/readings", b"{}", qos=1)
            await device.publish(topic("noise-2"), payload(make, 2, 99.0), qos=1)
        await until_stored(db, make, 99.0)
        assert 98.0 not in await values(db)
        assert await db.fetchval("select sum(received) from batch") == 1

    async def test_nobody_gets_in_without_the_right_password(self, ingest, make):
        for user, password in (
            ("noise-1", "guess"), ("noise-1", ""), ("nobody", make.device_password), ("", ""),
            ("noise-1@2", make.device_password), (make.hub_user, make.device_password),
        ):  # fmt: skip
            assert not await gets_in(ingest, user, password=password)
        anonymous = aiomqtt.Client("127.0.0.1", ingest.broker.port, identifier="x")
        with pytest.raises(aiomqtt.MqttError):
            async with anonymous:
                pass
