"""Is the connection to the database encrypted, and its certificate verified, as the URL says?"""

import asyncio
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from hub.certificates.folder import Kind
from hub.errors import ConfigurationError, StoreUnavailable
from hub.storage.pool import connect, open_store

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"  # PostgreSQL's protocol, section 54.7


@asynccontextmanager
async def relaying(url, context):
    """A TLS end before the database, for the embedded one has none of its own."""
    parts, encrypted = urlsplit(url), []
    socket = parse_qs(parts.query).get("host")

    def database():
        if socket:
            return asyncio.open_unix_connection(f"{socket[0]}/.s.PGSQL.5432")
        return asyncio.open_connection(parts.hostname, parts.port)

    async def pump(reader, writer):
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def relay(reader, writer):
        first = await reader.readexactly(8)
        to_reader, to_writer = await database()
        try:
            if first == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                encrypted.append(writer.get_extra_info("ssl_object").version())
            else:
                to_writer.write(first)
            await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))
        except (OSError, ssl.SSLError):
            pass  # it did not like our certificate
        finally:
            writer.close()
            to_writer.close()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], encrypted


@pytest.fixture
async def context(certificates):
    pair = certificates.pair(Kind.SERVER, "localhost")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(pair.certificate, pair.key)
    return served


@pytest.fixture
async def relay(database_url, context):
    async with relaying(database_url, context) as found:
        yield found


@pytest.fixture
async def secured(database_url, relay):
    """The database's URL through the relay."""
    parts, (port, _) = urlsplit(database_url), relay
    who, _, _ = parts.netloc.rpartition("@")
    return f"postgresql://{who}@127.0.0.1:{port}{parts.path}"


async def test_the_url_says_whom_to_trust(secured, relay, certificates):
    ca = certificates.authority.certificate
    for mode in ("verify-full", "verify-ca"):
        async with connect(f"{secured}?sslmode={mode}&sslrootcert={ca}") as db:
            assert await db.fetchval("select 1") == 1
    url = f"{secured}?sslmode=verify-full&sslrootcert={ca}"
    async with open_store(url) as store, store.connection() as db:
        assert await db.fetchval("select 1") == 1
    assert relay[1] == ["TLSv1.3"] * 3


async def test_a_certificate_that_is_not_trusted_is_told(secured, tmp_path, make):
    other = make.authority(tmp_path / "other").authority.certificate
    with pytest.raises(ConfigurationError, match=r"certificate is refused \(.*sslrootcert"):
        async with connect(f"{secured}?sslmode=verify-full&sslrootcert={other}"):
            pass


async def test_a_name_that_the_certificate_is_not_for_is_told(secured, context, certificates):
    pair = certificates.issue(
        Kind.SERVER, "db", now=datetime.now(UTC), days=1, addresses=["db.example.city"]
    )
    context.load_cert_chain(pair.certificate, pair.key)
    ca = certificates.authority.certificate
    with pytest.raises(ConfigurationError, match="by a host that it is for"):
        async with connect(f"{secured}?sslmode=verify-full&sslrootcert={ca}"):
            pass
    async with connect(f"{secured}?sslmode=verify-ca&sslrootcert={ca}"):
        pass


async def test_a_certificate_that_goes_bad_later_is_no_batchs_fault(
    secured, context, certificates, tmp_path, make
):
    """Or ingest would take the batch apart and reject it, reading by reading."""
    url = f"{secured}?sslmode=verify-full&sslrootcert={certificates.authority.certificate}"
    stranger = make.authority(tmp_path / "other").pair(Kind.SERVER, "localhost")
    async with open_store(url, size=2) as store, store.connection():
        context.load_cert_chain(stranger.certificate, stranger.key)
        with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            async with store.connection():
                pass
