"""A private hub to measure: embedded database and broker, registered devices, our own commands."""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

from hub.broker.access import hash_password
from hub.domain.sensing import Device, ObservedProperty, Position
from hub.domain.sharing import Agreement, AgreementState, Feed, FeedState, Scope
from hub.embedded import mosquitto, postgres
from hub.embedded.network import HOST, free_port
from hub.embedded.process import Child
from hub.sharing.keys import new_key
from hub.storage import registry, sharing
from hub.storage.migrate import migrate
from hub.storage.pool import Db, connect

USER = PASSWORD = "bench"  # may publish as any device: the broker is private
WINDOW = 10_000
FEED, OWNER, READER = "bench", "owner", "reader"
PROPERTY = "value"
READY_TIMEOUT_S = 30


@dataclass(frozen=True, slots=True)
class BenchHub:
    """What runs, and where."""

    folder: Path
    database: Child | None  # None where it is on a server that was given
    broker: Child
    database_url: str
    mqtt_port: int
    api_port: int
    key: str

    @property
    def feed_url(self) -> str:
        return f"http://{HOST}:{self.api_port}/api/v1/feeds/{FEED}"

    @asynccontextmanager
    async def command(self, name: str, **env: str) -> AsyncIterator[Child]:
        """Run one of the hub's commands for as long as the block lasts."""
        async with self.module("hub.cli", name, **env) as child:
            yield child

    @asynccontextmanager
    async def module(self, module: str, argument: str, **env: str) -> AsyncIterator[Child]:
        """Run a module, with the hub's settings, for as long as the block lasts."""
        settings = {
            "STADSNAV_DATABASE_URL": self.database_url,
            "STADSNAV_MQTT_URL": f"mqtt://{USER}:{PASSWORD}@{HOST}:{self.mqtt_port}",
            "STADSNAV_MQTT_WINDOW": str(WINDOW),
            "STADSNAV_API_PORT": str(self.api_port),
            **env,
        }
        log = self.folder / f"{module}.log"
        child = Child(module, [sys.executable, "-m", module, argument], log, env=settings)
        await child.start()
        try:
            yield child
        finally:
            await child.stop()

    async def until_ready(self, path: str = "/readyz") -> None:
        """Wait until the API answers."""
        await until(lambda: _answers(f"http://{HOST}:{self.api_port}{path}"))


async def until(condition: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
    """Wait until `condition()` is true, asking in a thread; raise TimeoutError if it never is."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if await asyncio.to_thread(condition):
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(f"not ready after {timeout_s} s")


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2):  # noqa: S310  an address of our own
            return True
    except OSError:
        return False


@asynccontextmanager
async def bench_hub(
    devices: int, properties: Sequence[str] = (PROPERTY,), server: str | None = None
) -> AsyncIterator[BenchHub]:
    """Run database and broker, with registered devices of all these properties in one feed.

    With the URL of a `server` the database is a new one there instead of an embedded one.
    """
    folder = Path(tempfile.mkdtemp(prefix="stadsnav-bench-"))
    try:
        async with _database(folder, server) as (url, database):
            async with connect(url) as db:
                await migrate(db)
                key = await _register(db, devices, properties)
            async with _broker(folder) as running:
                yield BenchHub(folder, database, running.child, url, running.port, free_port(), key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _database(folder: Path, server: str | None) -> AsyncIterator[tuple[str, Child | None]]:
    if server is None:
        async with postgres.running(folder / "postgres", folder / "postgres.log") as running:
            yield running
        return
    name = folder.name.replace("-", "_").lower()
    async with connect(server) as db:
        await db.execute(f'create database "{name}"')
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}")), None
    finally:
        async with connect(server) as db:
            await db.execute(f'drop database "{name}" with (force)')


@asynccontextmanager
async def _broker(folder: Path) -> AsyncIterator[mosquitto.Mosquitto]:
    room = folder / "broker"
    room.mkdir()
    (room / "passwords").write_text(f"{USER}:{hash_password(PASSWORD)}\n")
    (room / "acl").write_text(f"user {USER}\ntopic readwrite #\ntopic read $SYS/#\n")
    log = folder / "mosquitto.log"
    async with mosquitto.running(
        room, log, port=free_port(), window=WINDOW, bind_client_ids=False
    ) as running:
        yield running


def device_id(number: int) -> str:
    return f"bench-{number:04}"


async def _register(db: Db, devices: int, properties: Sequence[str]) -> str:
    key = new_key()
    async with db.transaction():
        for organisation in (OWNER, READER):
            await registry.add_organisation(db, organisation, organisation)
        for name in properties:
            await registry.add_property(db, ObservedProperty(name, name, "1"))
        for number in range(devices):
            place = Position(17.9 + number % 100 / 1000, 59.4 + number // 100 / 1000)
            device = Device(device_id(number), OWNER, "bench", device_id(number), place)
            await registry.add_device(db, device, list(properties))
        await sharing.add_feed(db, Feed(FEED, OWNER, "Bench", "", "", FeedState.PUBLISHED))
        now = datetime.now(UTC)
        await sharing.add_agreement(
            db, Agreement(0, FEED, READER, AgreementState.ACTIVE, "bench", "bench", now, None)
        )
        await sharing.add_application(db, "bench", READER, "bench", frozenset(Scope))
        await sharing.add_key(db, "bench", key.prefix, key.hash, None)
    return key.key
