"""Does a real Mosquitto let in whom certificates say, and nobody else?"""

import asyncio
import signal
import ssl
from datetime import UTC, datetime

import aiomqtt
import pytest

from connectors.mqtt import Broker, BrokerRefused, MqttSource, _Connection, greet, meet
from connectors.tls import Tls
from hub.broker.access import DOCTOR
from hub.certificates.folder import Kind
from simulators import publish
from simulators.tls import Tls as DeviceTls

# Paho 2.2 leaves the socket of a failed handshake to the garbage collector.
LEFT = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"
)
ALL = "v1/devices/+/readings"


def topic(device):
    return f"v1/devices/{device}/readings"


class Seen:
    """What the hub got, as text by topic."""

    def __init__(self, source):
        self.messages = []
        self._source = source

    async def follow(self):
        async for delivery in self._source.deliveries():
            self.messages.append((delivery.topic, delivery.payload.decode()))
            delivery.acknowledge()

    async def until(self, text, make):
        async def come():
            return any(said == text for _, said in self.messages)

        await make.eventually(come)
        return self.messages


@pytest.fixture
async def hub(secure_broker, secure, certificates, make):
    """The hub, signed in by its certificate."""
    own = certificates.pair(Kind.HUB, make.hub_user)
    tls = Tls(secure.authority, own.certificate, own.key)
    source = MqttSource(
        Broker.from_url(f"mqtts://127.0.0.1:{secure.mtls_port}", tls), ALL, "stadsnav-ingest"
    )
    seen = Seen(source)
    async with asyncio.TaskGroup() as group:
        following = group.create_task(seen.follow())

        async def connected():
            return source.connected

        await make.eventually(connected)
        yield seen
        following.cancel()


def device(certificates, secure, name, *, issuer=None, client_id=None, username=None, password=""):
    """A connection by the certificate of a device, or without one."""
    pair = name and (issuer or certificates).pair(Kind.DEVICE, name)
    files = (pair.certificate, pair.key) if pair else ()
    broker = Broker(
        "127.0.0.1", secure.mtls_port, username, password, Tls(secure.authority, *files)
    )
    return _Connection(broker, username=username, identifier=client_id or name)


async def gets_in(client):
    try:
        async with client:
            return True
    except aiomqtt.MqttError:
        return False


async def test_a_certificate_is_the_device_whatever_it_says_of_itself(
    hub, certificates, secure, make
):
    async with device(certificates, secure, "noise-1") as one:
        await one.publish(topic("noise-2"), "forged", qos=1)
        await one.publish(topic("noise-1"), "own", qos=1)
    lying = {"username": "noise-2", "password": make.device_password}
    async with device(certificates, secure, "noise-1", **lying) as one:
        await one.publish(topic("noise-2"), "forged again", qos=1)
        await one.publish(topic("noise-1"), "end", qos=1)
    assert await hub.until("end", make) == [(topic("noise-1"), "own"), (topic("noise-1"), "end")]


async def test_nobody_takes_the_hubs_session_by_naming_its_client(hub, certificates, secure, make):
    for client_id in ("stadsnav-ingest", make.hub_user):
        async with device(certificates, secure, "noise-1", client_id=client_id) as one:
            await one.publish(topic("noise-1"), client_id, qos=1)
    await hub.until(make.hub_user, make)
    assert len(hub.messages) == 2


async def test_who_has_no_good_certificate_stays_outside(
    secure_broker, certificates, secure, tmp_path, make
):
    other = make.authority(tmp_path / "other", "noise-1")
    make.expired(certificates, "late")
    served = certificates.pair(Kind.SERVER, "localhost")
    pretends = certificates.pair(Kind.DEVICE, "pretends")
    pretends.certificate.write_bytes(served.certificate.read_bytes())
    pretends.key.write_bytes(served.key.read_bytes())
    assert await gets_in(device(certificates, secure, "noise-1"))
    assert not await gets_in(device(certificates, secure, None))
    password = {"username": make.hub_user, "password": make.hub_password}
    assert not await gets_in(device(certificates, secure, None, **password))
    assert not await gets_in(device(certificates, secure, "noise-1", issuer=other))
    assert not await gets_in(device(certificates, secure, "late"))
    assert not await gets_in(device(certificates, secure, "pretends"))


async def test_what_is_revoked_stays_outside_from_the_next_signal_on(
    secure_broker, certificates, secure, make
):
    for name in ("noise-1", "noise-2"):
        assert await gets_in(device(certificates, secure, name))
        certificates.revoke(name, now=datetime.now(UTC))
        secure_broker.child.signal(signal.SIGHUP)

        async def refused(name=name):
            return not await gets_in(device(certificates, secure, name))

        await make.eventually(refused)
    assert await gets_in(device(certificates, secure, "noise-3"))


async def test_a_device_connected_by_certificate_stays_when_users_change(
    hub, secure_broker, certificates, secure, make
):
    async with device(certificates, secure, "noise-1") as one:
        await one.publish(topic("noise-1"), "before", qos=1)
        secure_broker.passwords.write_text("")
        secure_broker.child.signal(signal.SIGHUP)
        assert await hub.until("before", make)
        await one.publish(topic("noise-1"), "after", qos=1)
        assert await hub.until("after", make)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
@pytest.mark.parametrize("which", ["port", "mtls_port"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_refused(secure_broker, secure, version, which):
    context = ssl.create_default_context(cafile=secure.authority)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # or we would refuse it ourselves
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        await asyncio.open_connection("127.0.0.1", getattr(secure, which), ssl=context)


async def test_a_renewed_server_certificate_is_served_from_the_next_signal_on(
    secure_broker, certificates, secure, make
):
    async def serial():
        _, writer = await asyncio.open_connection(
            "127.0.0.1", secure.port, ssl=ssl.create_default_context(cafile=secure.authority)
        )
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return found

    before = await serial()
    certificates.issue(
        Kind.SERVER, "localhost", now=datetime.now(UTC), days=9, addresses=["127.0.0.1"],
        replace=True,
    )  # fmt: skip
    assert await serial() == before
    secure_broker.child.signal(signal.SIGHUP)

    async def renewed():
        return await serial() != before

    await make.eventually(renewed)


def by_password(make, secure, tls, *, host="127.0.0.1", port=None):
    url = f"mqtts://{make.hub_user}:{make.hub_password}@{host}:{port or secure.port}"
    return Broker.from_url(url, tls)


async def test_the_hub_and_its_broker_know_each_other(secure_broker, certificates, secure, make):
    trusting = Tls(secure.authority)
    assert await greet(by_password(make, secure, trusting), DOCTOR) < 2
    met = await meet(by_password(make, secure, trusting))
    assert 363 <= (met.expires - datetime.now(UTC)).days <= 365
    own = certificates.pair(Kind.HUB, make.hub_user)
    by_certificate = Broker.from_url(
        f"mqtts://127.0.0.1:{secure.mtls_port}", Tls(secure.authority, own.certificate, own.key)
    )
    assert (await meet(by_certificate)).seconds < 2


@LEFT
async def test_why_they_do_not_is_told_in_words_that_help(
    secure_broker, certificates, secure, tmp_path, make, monkeypatch
):
    other = make.authority(tmp_path / "other", "noise-1")
    stranger, late = other.pair(Kind.DEVICE, "noise-1"), make.expired(certificates, "late")
    served = certificates.pair(Kind.SERVER, "localhost")
    trusted, mtls = secure.authority, secure.mtls_port
    monkeypatch.setenv("SSL_CERT_FILE", str(other.authority.certificate))
    for tls, where, told in (
        (Tls(other.authority.certificate), {}, r"not signed by STADSNAV_MQTT_CA_FILE \(.*other"),
        (Tls(), {}, "this system trusts; STADSNAV_MQTT_CA_FILE names another"),
        (Tls(trusted), {"port": secure_broker.port}, "does it speak TLS on this port"),
        (Tls(trusted), {"port": mtls}, "asks for a certificate: set STADSNAV_MQTT_CERTIFICATE"),
        (Tls(trusted, stranger.certificate, stranger.key), {"port": mtls}, "does not trust"),
        (Tls(trusted, late.certificate, late.key), {"port": mtls}, r"\(.*late.crt\) has expired"),
        (Tls(trusted, served.certificate, served.key), {"port": mtls}, "not one for clients"),
    ):
        broker = by_password(make, secure, tls, **where)
        for ask in (meet(broker), greet(broker, DOCTOR)):
            with pytest.raises(BrokerRefused, match=told):
                await ask


@LEFT
async def test_a_host_name_is_verified_too(secure_broker, certificates, secure, make):
    certificates.issue(
        Kind.SERVER, "localhost", now=datetime.now(UTC), days=9,
        addresses=["elsewhere.example.city", "127.0.0.1"], replace=True,
    )  # fmt: skip
    secure_broker.child.signal(signal.SIGHUP)
    tls = Tls(secure.authority)

    async def refused():
        try:
            await greet(by_password(make, secure, tls, host="localhost"), DOCTOR)
        except BrokerRefused as error:
            return str(error)
        return None

    assert "'localhost', but for other names" in await make.eventually(refused)
    assert await greet(by_password(make, secure, tls), DOCTOR) < 2


async def test_simulated_devices_use_either(hub, secure_broker, certificates, secure, make):
    where = {"host": "127.0.0.1", "port": secure.mtls_port}
    folder = certificates.pair(Kind.DEVICE, "noise-2").certificate.parent
    tls = DeviceTls(secure.authority, folder)
    await publish.send_once("noise-2", None, b"by certificate", **where, tls=tls)
    await hub.until("by certificate", make)
    where["port"] = secure.port
    tls = DeviceTls(secure.authority)
    await publish.send_once(make.hub_user, make.hub_password, b"x", **where, tls=tls)
    with pytest.raises(publish.BrokerError):
        await publish.send_once("noise-2", "wrong", b"x", **where, tls=tls)
