"""Is a renewed certificate taken in while serving, and a half-written one not?"""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from connectors.mqtt import Broker, MqttSource
from connectors.tls import Tls
from hub.certificates.folder import Kind
from hub.commands.securing import take_in_renewed


@asynccontextmanager
async def serving(context):
    """A server that answers each line with itself."""

    async def echo(reader, writer):
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(port, authority):
    trusting = ssl.create_default_context(cafile=authority)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def serial(port, authority):
    async with connected(port, authority) as (_, writer):
        return writer.get_extra_info("peercert")["serialNumber"]


def renew(certificates):
    return certificates.issue(
        Kind.SERVER, "localhost", now=datetime.now(UTC), days=90, addresses=["127.0.0.1"],
        replace=True,
    )  # fmt: skip


@pytest.fixture
async def port(certificates):
    pair = certificates.pair(Kind.SERVER, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    async with asyncio.TaskGroup() as group, serving(context) as listening:
        renewing = take_in_renewed(context, pair.certificate, pair.key, look_every_s=0.01)
        task = group.create_task(renewing)
        yield listening
        task.cancel()


async def test_new_connections_get_the_renewed_one_and_old_ones_go_on(port, certificates, make):
    authority = certificates.authority.certificate
    async with connected(port, authority) as (reader, writer):
        before = await serial(port, authority)
        renew(certificates)

        async def renewed():
            return await serial(port, authority) != before

        await make.eventually(renewed)
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"


async def test_one_file_of_two_changes_nothing_and_the_other_completes_it(
    port, certificates, make, caplog
):
    authority, pair = (
        certificates.authority.certificate,
        certificates.pair(Kind.SERVER, "localhost"),
    )
    before = await serial(port, authority)
    new = certificates.issue(
        Kind.SERVER, "new", now=datetime.now(UTC), days=90, addresses=["127.0.0.1"]
    )
    pair.certificate.write_bytes(new.certificate.read_bytes())

    async def told():
        return "is not the key of the certificate" in caplog.text

    await make.eventually(told)
    assert await serial(port, authority) == before
    pair.key.write_bytes(new.key.read_bytes())

    async def renewed():
        return await serial(port, authority) != before

    await make.eventually(renewed)


async def test_ingest_takes_its_renewed_certificate_when_it_connects_again(
    secure_broker, secure, certificates, make, caplog
):
    own = certificates.pair(Kind.HUB, make.hub_user)
    good = own.certificate.read_bytes()
    own.certificate.write_text("half-writ")  # the file is being renewed
    source = MqttSource(
        Broker.from_url(
            f"mqtts://127.0.0.1:{secure.mtls_port}",
            Tls(secure.authority, own.certificate, own.key),
        ),
        "v1/devices/+/readings",
        "stadsnav-ingest",
    )

    async def follow():
        async for _ in source.deliveries():
            pass

    async with asyncio.TaskGroup() as group:
        following = group.create_task(follow())

        async def tried():
            return "the files for TLS cannot be used" in caplog.text

        await make.eventually(tried)
        own.certificate.write_bytes(good)

        async def connects():
            return source.connected

        await make.eventually(connects)
        following.cancel()
