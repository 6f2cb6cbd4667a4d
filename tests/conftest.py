"""What tests share: a real database each, a real broker, and a registered city to ask about."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import settings

from hub.broker.access import acl_file, hash_password, password_file
from hub.certificates.folder import CertificateFolder, Kind, Pair
from hub.certificates.issuing import LOCAL
from hub.domain.feeds import Classification, FeedFile
from hub.domain.intake import Batch
from hub.domain.sensing import Device, ObservedProperty, Position, Reading, ResultKind
from hub.domain.sharing import Agreement, AgreementState, Feed, FeedState, Scope, Shape
from hub.embedded import mosquitto, postgres
from hub.embedded.network import free_port
from hub.sharing.keys import new_key
from hub.storage import ledger, registry, sharing
from hub.storage.feeds import FeedFiles
from hub.storage.migrate import migrate
from hub.storage.pool import Db, Store, connect, open_store

HUB_USER, HUB_PASSWORD = "stadsnav-hub", "hub-password-of-the-tests"
DEVICE_PASSWORD = "device-password-of-the-tests"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_numbers = itertools.count(1)

# The same commit gets the same verdict; `--hypothesis-profile=explore` looks for more.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("steady")


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def server_url(tmp_path_factory) -> AsyncIterator[str]:
    """A server on which databases may be made: the given one, or an embedded one."""
    given = os.environ.get("STADSNAV_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = tmp_path_factory.mktemp("postgres")
    async with postgres.running(folder / "data", folder / "log") as (url, _):
        yield url


@pytest.fixture(scope="session")
async def template(server_url) -> str:
    """The name of a migrated database to copy."""
    name = f"stadsnav_template_{os.getpid()}"
    async with connect(server_url) as db:
        await db.execute(f"create database {name}")
    async with connect(with_database(server_url, name)) as db:
        await migrate(db)
    return name


@pytest.fixture
async def database_url(server_url, template) -> AsyncIterator[str]:
    """A migrated database of this test's own."""
    name = f"stadsnav_test_{os.getpid()}_{next(_numbers)}"
    async with connect(server_url) as db:
        await db.execute(f"create database {name} template {template}")
    yield with_database(server_url, name)
    async with connect(server_url) as db:
        await db.execute(f"drop database {name} with (force)")


@pytest.fixture
async def empty_database_url(server_url) -> AsyncIterator[str]:
    """A database of this test's own without a schema."""
    name = f"stadsnav_empty_{os.getpid()}_{next(_numbers)}"
    async with connect(server_url) as db:
        await db.execute(f"create database {name}")
    yield with_database(server_url, name)
    async with connect(server_url) as db:
        await db.execute(f"drop database {name} with (force)")


@pytest.fixture
async def db(database_url) -> AsyncIterator[Db]:
    async with connect(database_url) as connection:
        yield connection


@pytest.fixture
async def store(database_url) -> AsyncIterator[Store]:
    async with open_store(database_url) as opened:
        yield opened


@pytest.fixture
async def broker_folder(tmp_path) -> Path:
    """A folder with users and rights of the hub alone, as `up` makes it before devices exist."""
    folder = tmp_path / "broker"
    folder.mkdir()
    (folder / "passwords").write_text(password_file((HUB_USER, hash_password(HUB_PASSWORD)), []))
    (folder / "acl").write_text(acl_file(HUB_USER))
    return folder


@pytest.fixture
async def broker(broker_folder) -> AsyncIterator[mosquitto.Mosquitto]:
    log = broker_folder / "log"
    async with mosquitto.running(broker_folder, log, port=free_port(), window=1_000) as running:
        yield running


def expired(folder: CertificateFolder, name: str) -> Pair:
    """Issue a certificate to a device that was good for a day, a year ago."""
    return folder.issue(Kind.DEVICE, name, now=datetime.now(UTC) - timedelta(days=365), days=1)


def authority(folder: Path, *devices: str) -> CertificateFolder:
    """Make an authority with a server, the hub and some devices."""
    made, now = CertificateFolder(folder), datetime.now(UTC)
    made.make_authority(f"authority {folder.name}", now=now - timedelta(days=400), days=3_650)
    made.issue(Kind.SERVER, "localhost", now=now, days=365, addresses=LOCAL)
    for kind, name in ((Kind.HUB, HUB_USER), *((Kind.DEVICE, device) for device in devices)):
        made.issue(kind, name, now=now, days=365)
    return made


@pytest.fixture
async def certificates(tmp_path) -> CertificateFolder:
    return authority(tmp_path / "certificates", "noise-1", "noise-2", "noise-3")


@pytest.fixture
async def secure(certificates) -> mosquitto.Secure:
    """The broker's two ports with TLS."""
    server = certificates.pair(Kind.SERVER, "localhost")
    return mosquitto.Secure(
        free_port(), free_port(), certificates.authority.certificate, server.certificate,
        server.key, certificates.revocations,
    )  # fmt: skip


@pytest.fixture
async def secure_broker(broker_folder, secure) -> AsyncIterator[mosquitto.Mosquitto]:
    log = broker_folder / "log"
    async with mosquitto.running(
        broker_folder, log, port=free_port(), window=1_000, secure=secure
    ) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Known:
    """What the registered city of the tests has."""

    streams: dict[tuple[str, str], int]
    keys: dict[str, str]


async def register_city(db: Db) -> Known:
    """Two owners, two readers, five devices; feeds shared whole, in part, late, and with all."""
    async with db.transaction():
        for organisation in ("environment", "traffic", "property", "region", "stranger"):
            await registry.add_organisation(db, organisation, organisation.title())
        await registry.add_property(
            db, ObservedProperty("laeq", "Sound level", "dB[SPL]", None, low=20, high=130)
        )
        await registry.add_property(db, ObservedProperty("no2", "NO2", "ug/m3", None, low=0))
        await registry.add_property(
            db, ObservedProperty("status", "Status", "1", None, ResultKind.TEXT)
        )
        await _devices(db)
        await _feeds(db)
        keys = {name: await make_key(db, name) for name in ("environment", "traffic", "property")}
        keys |= {name: await make_key(db, name) for name in ("region", "stranger")}
        keys["writer"] = await make_key(db, "environment", Scope.WRITE)
    known = (await registry.load(db, "test")).devices
    streams = {
        (device, observed): rules.id
        for device, found in known.items()
        for observed, rules in found.streams.items()
    }
    return Known(streams, keys)


async def _devices(db: Db) -> None:
    hashed = hash_password(DEVICE_PASSWORD)
    for number, observes in ((1, ["laeq", "no2"]), (2, ["laeq"]), (3, ["laeq", "status"])):
        place = Position(17.95 + number / 1000 + 0.0001234, 59.45)
        device = Device(f"noise-{number}", "environment", "noise", f"Noise {number}", place)
        await registry.add_device(db, device, observes, password_hash=hashed)
    bus = Device("bus-1", "environment", "bus", "Bus 1", None, moving=True)
    await registry.add_device(db, bus, ["laeq"], password_hash=hashed)
    private = Device("private-1", "environment", "secret", "Private", Position(18, 59))
    await registry.add_device(db, private, ["laeq"], password_hash=hashed)


async def _feeds(db: Db) -> None:
    for feed, kinds in (("noise", {"noise", "bus"}), ("open", {"noise"}), ("secret", {"secret"})):
        made = Feed(
            feed, "environment", feed.title(), "", "CC0-1.0", FeedState.PUBLISHED,
            kinds=frozenset(kinds), confidentiality=1,
        )  # fmt: skip
        decided = Classification(1, 1, 1, "person:somebody", NOON)
        await FeedFiles(db).add(FeedFile(made, classification=decided))
    await agree(db, "noise", "traffic")
    await agree(
        db, "noise", "property", finest_resolution=timedelta(minutes=15), position_decimals=3
    )
    await agree(
        db, "noise", "region", properties=frozenset({"no2"}), delay=timedelta(hours=1),
        history=timedelta(days=30),
    )  # fmt: skip
    await agree(db, "open", "public")


async def agree(db: Db, feed: str, consumer: str, **shape) -> Agreement:
    terms = Agreement(
        0, feed, consumer, AgreementState.ACTIVE, "test", "test",
        datetime.now(UTC) - timedelta(days=1), None, Shape(**shape),
    )  # fmt: skip
    return await sharing.add_agreement(db, terms)


async def make_key(db: Db, organisation: str, *scopes: Scope) -> str:
    fresh, application = new_key(), f"{organisation}-app-{next(_numbers)}"
    await sharing.add_application(
        db, application, organisation, application, frozenset(scopes or Scope)
    )
    await sharing.add_key(db, application, fresh.prefix, fresh.hash, None)
    return fresh.key


@pytest.fixture
async def city(db) -> Known:
    return await register_city(db)


def reading(stream: int, time: datetime = NOON, value: float | None = 50.0, **changes) -> Reading:
    plain = Reading(stream, time, value, None, 0, datetime.now(UTC), None, None)
    return plain._replace(**changes)


async def store_readings(db: Db, *readings: Reading, connector: str = "test"):
    """Commit readings as one batch and return its outcome."""
    await ledger.ensure_connector(db, connector)
    return await ledger.write_batch(db, Batch(connector, len(readings), readings))


async def eventually(condition, timeout_s: float = 15.0):
    """Wait until an async condition holds and return what it gave; fail when it never does."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (found := await condition()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        pytest.fail(f"did not happen within {timeout_s} s: {condition}")


@pytest.fixture(scope="session")
def make():
    """The factories above, for test modules (which cannot import one another)."""

    class Make:
        reading = staticmethod(reading)
        store_readings = staticmethod(store_readings)
        register_city = staticmethod(register_city)
        agree = staticmethod(agree)
        key = staticmethod(make_key)
        eventually = staticmethod(eventually)
        noon = NOON
        device_password = DEVICE_PASSWORD
        hub_user, hub_password = HUB_USER, HUB_PASSWORD
        authority, expired = staticmethod(authority), staticmethod(expired)

    return Make
