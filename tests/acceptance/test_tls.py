"""Do the real commands speak TLS in both directions, and say clearly when they cannot?"""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta

import aiomqtt
import httpx
import pytest

from hub.certificates.folder import CertificateFolder, Kind
from hub.storage import ledger
from stadsnav import Client

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]


def payload(value, at):
    return json.dumps({"time": at.isoformat(), "values": {"laeq": value}})


@pytest.fixture
def trusting(secure):
    return ssl.create_default_context(cafile=secure.authority)


def device(secure, certificates, name):
    context = ssl.create_default_context(cafile=secure.authority)
    pair = certificates.pair(Kind.DEVICE, name)
    context.load_cert_chain(pair.certificate, pair.key)
    return aiomqtt.Client("127.0.0.1", secure.mtls_port, identifier=name, tls_context=context)


def stored(db, make, count):
    async def enough():
        return await db.fetchval("select count(*) from reading") >= count

    return make.eventually(enough)


async def serving(system, trusting, make):
    async with httpx.AsyncClient(verify=trusting) as http:

        async def ready():
            try:
                return (await http.get(f"https://127.0.0.1:{system.api_port}/readyz")).is_success
            except httpx.TransportError:
                return False

        await make.eventually(ready, 30)


async def test_from_device_to_reader_everything_is_encrypted(
    secure_system, secure, certificates, trusting, db, city, make
):
    async with secure_system.running("ingest"), secure_system.running("api"):
        await secure_system.until_subscribed()
        await serving(secure_system, trusting, make)
        async with device(secure, certificates, "noise-1") as one:
            await one.publish("v1/devices/noise-1/readings", payload(51, make.noon), qos=1)
            await one.publish("v1/devices/noise-2/readings", payload(99, make.noon), qos=1)
        await stored(db, make, 1)
        url, key = f"https://127.0.0.1:{secure_system.api_port}", city.keys["traffic"]
        async with Client(url, key, ca_file=str(secure.authority)) as client:
            assert [row["value"] for row in await client.latest("noise")] == [51.0]
        async with Client(url, key) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.feeds()
        async with httpx.AsyncClient() as http:
            with pytest.raises(httpx.TransportError):
                await http.get(f"http://127.0.0.1:{secure_system.api_port}/healthz")


async def test_a_certificate_lets_in_only_whom_the_registry_knows(
    secure_system, secure, certificates, db, make
):
    """Also over a connection that stands."""
    certificates.issue(Kind.DEVICE, "unknown-1", now=datetime.now(UTC), days=1)
    at = make.noon

    async def said_by(client, name):
        nonlocal at
        at += timedelta(seconds=1)
        await client.publish(f"v1/devices/{name}/readings", payload(52, at), qos=1)

    async def received():
        [row] = [row for row in await ledger.totals(db) if row["id"] == "mqtt"]
        assert row["received"] == row["stored"] + row["duplicates"] + row["rejected"]
        return row["received"]

    async with (
        device(secure, certificates, "noise-1") as one,
        device(secure, certificates, "noise-2") as two,
        secure_system.running("ingest"),
    ):
        await secure_system.until_subscribed()
        await said_by(two, "noise-2")
        await stored(db, make, 1)
        async with device(secure, certificates, "unknown-1") as unknown:
            await said_by(unknown, "unknown-1")
        await said_by(one, "noise-1")
        await stored(db, make, 2)
        assert await received() == 3
        await db.execute("update device set state = 'quarantined' where id = $1", "noise-2")

        async def denied(client):
            before = await received()
            await said_by(client, "noise-2")
            await said_by(one, "noise-1")  # comes after it

            async def come():
                return await db.fetchval("select exists(select from reading where time = $1)", at)

            await make.eventually(come)
            return await received() == before + 1

        await make.eventually(lambda: denied(two))
        async with device(secure, certificates, "noise-2") as again:
            assert await denied(again)
            await db.execute("update device set state = 'active' where id = $1", "noise-2")

            async def welcome():
                return not await denied(again)

            await make.eventually(welcome)
    reasons = await db.fetch("select distinct reason from rejection where topic like '%unknown-1%'")
    assert [row["reason"] for row in reasons] == ["unknown_device"]


async def test_doctor_sees_the_certificates_and_leaves_ingest_alone(
    secure_system, certificates, make
):
    now = datetime.now(UTC)
    secure_system.settings["STADSNAV_DATA"] = str(secure_system.folder / "nothing")
    async with secure_system.running("ingest") as ingest:
        await secure_system.until_subscribed()
        code, told = await secure_system.run("doctor")
        assert "takes the hub's certificate" in told
        assert "good for" in told
        assert code == 0, told
        certificates.issue(
            Kind.SERVER, "localhost", now=now, days=20, addresses=["127.0.0.1"], replace=True
        )
        code, told = await secure_system.run("doctor")
        assert "look  STADSNAV_API_CERTIFICATE_FILE: localhost expires in 19 days" in told
        key = certificates.pair(Kind.SERVER, "localhost").key
        key.chmod(0o644)
        _, told = await secure_system.run("doctor")
        assert f"chmod 600 {key}" in told
        log = (secure_system.folder / "ingest.log").read_text()
        assert ingest.is_running
    assert log.count("subscribed to") == 1


async def test_files_that_cannot_serve_end_a_service_with_one_line(
    secure_system, certificates, make
):
    late = make.expired(certificates, "late")
    other = certificates.pair(Kind.DEVICE, "noise-1")
    for command, changed, told in (
        ("api", {"STADSNAV_API_KEY_FILE": str(other.key)}, "is not the key of the certificate"),
        ("api", {"STADSNAV_API_KEY_FILE": ""}, "go together"),
        ("api", {"STADSNAV_API_CERTIFICATE_FILE": "nowhere.crt"}, "(nowhere.crt) cannot be read"),
        ("ingest", {"STADSNAV_MQTT_CA_FILE": str(other.certificate)}, "may sign no other"),
        ("ingest", {"STADSNAV_MQTT_URL": "mqtt://127.0.0.1"}, "write it as mqtts://"),
        (
            "ingest",
            {
                "STADSNAV_MQTT_CERTIFICATE_FILE": str(late.certificate),
                "STADSNAV_MQTT_KEY_FILE": str(late.key),
            },
            "'late' expired on",
        ),
    ):
        before = secure_system.settings
        secure_system.settings = before | changed
        code, out = await secure_system.run(command)
        secure_system.settings = before
        assert code == 2, out
        assert told in out.splitlines()[-1]
        assert "Traceback" not in out


async def test_certificates_from_the_command_line_are_all_it_takes(
    secure_system, secure, certificates, trusting, db, make
):
    folder = str(secure_system.folder / "made")

    async def admin(*words):
        code, told = await secure_system.run("admin", "certificates", *words)
        assert code == 0, told
        return told

    await admin("authority", folder)
    await admin("server", folder, "broker.example.city", "--address", "10.0.0.5")
    told = await admin("device", folder, "noise-1", "noise-2")
    assert "v1/devices/noise-2/readings" in told
    await admin("hub", folder)
    assert "revoked  noise-1" in await admin("revoke", folder, "noise-1")
    listed = (await admin("list", folder)).splitlines()
    assert [(line.split()[0], line.split()[2]) for line in listed[2:]] == [
        ("broker.example.city", "valid"),
        ("noise-1", "revoked"),
        ("noise-2", "valid"),
        (make.hub_user, "valid"),
    ]
    for wrong, told in (
        (("device", folder, make.hub_user), "a name of the hub itself"),
        (("device", folder, "stadsnav-x"), "a name of the hub itself"),
        (("device", folder, "A/b"), "is not a valid id"),
        (("device", folder, "noise-2"), "--replace"),
        (("hub", folder, "--name", "noise-1"), "the hub's users"),
        (("server", folder, "a b"), "neither a host name"),
        (("authority", folder), "has an authority already"),
    ):
        code, out = await secure_system.run("admin", "certificates", *wrong)
        assert code == 2, out
        assert told in " ".join(out.replace("│", " ").split())
    made = CertificateFolder(secure_system.folder / "made")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server = made.pair(Kind.SERVER, "broker.example.city")
    context.load_cert_chain(server.certificate, server.key)
    listener = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with listener:
        host, port = listener.sockets[0].getsockname()
        _, writer = await asyncio.open_connection(
            host, port, ssl=ssl.create_default_context(cafile=made.authority.certificate),
            server_hostname="broker.example.city",
        )  # fmt: skip
        writer.close()
        await writer.wait_closed()


async def test_devices_are_simulated_over_tls_by_password_and_by_certificate(
    secure_system, secure, certificates, db, make
):
    ca = ["--tls-ca", str(secure.authority)]
    said = payload(51, make.noon)
    by_certificate = ["--certificates", str(certificates.root / "devices")]
    async with secure_system.running("ingest"):
        await secure_system.until_subscribed()

        async def known():
            return "noise-1:" in secure_system.broker.passwords.read_text()

        await make.eventually(known)
        for options in (
            ["--port", str(secure.port), *ca, "--password", make.device_password],
            ["--port", str(secure.mtls_port), *ca, *by_certificate],
        ):
            code, told = await secure_system.run("simulate", "send", "noise-1", said, *options)
            assert (code, told) == (0, "acknowledged by the broker\n")
        code, told = await secure_system.run(
            "simulate", "send", "noise-1", said, "--port", str(secure.port), "--tls",
            "--password", make.device_password,
        )  # fmt: skip
        assert code == 1
        assert "CERTIFICATE_VERIFY_FAILED" in told

        async def both():
            [row] = [row for row in await ledger.totals(db) if row["id"] == "mqtt"]
            return (row["stored"], row["duplicates"]) == (1, 1)

        await make.eventually(both)
    code, told = await secure_system.run("simulate", "send", "noise-1", said)
    assert code == 2
    assert "--certificates" in told
