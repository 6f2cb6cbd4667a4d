"""A hub to hurt: database, broker and ingest as processes, with proxies between them."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg

from bench.chaos.checker import Stored
from bench.chaos.proxy import Proxy, tcp_proxy, unix_proxy
from bench.hub import PASSWORD, USER, WINDOW
from hub.broker.access import hash_password
from hub.domain.sensing import Device, ObservedProperty
from hub.embedded import mosquitto, postgres
from hub.embedded.network import HOST, free_port
from hub.embedded.process import Child
from hub.storage import registry
from hub.storage.migrate import migrate
from hub.storage.pool import connect

DEVICES = [f"chaos-{number}" for number in range(8)]
RESTART_S = 0.3
SOCKET = ".s.PGSQL.5432"

_ROWS = """
select s.device, r.time, r.value from reading r join datastream s on s.id = r.datastream_id
"""
_LEDGER_FAULTS = """
select (select count(*) from batch where received <> stored + duplicates + rejected)
     + (select count(*) from connector c
        where c.received <> (select coalesce(sum(received), 0) from batch b
                             where b.connector = c.id))
     + (select abs((select coalesce(sum(stored - overwritten), 0) from batch)
                   - (select count(*) from reading)))
"""


class Rig:
    """The running parts. `broker`, `database` and `ingest` are started again when they end."""

    def __init__(self, folder: Path, database_url: str, history: Path) -> None:
        self.folder = folder
        self.database_url = database_url  # straight to the database, past the proxy
        self.history = history
        self.database: Child
        self.broker: Child
        self.ingest: Child
        self.device_link: Proxy
        self.broker_link: Proxy
        self.database_link: Proxy
        self.device_port = 0
        self.volume = folder  # what a full disk fills
        self.clock = folder / "clock"  # ingest's, where it is faked
        self.ingest_env: dict[str, str] = {}
        self.paused: set[Child] = set()  # what is not started again at the moment

    async def rows(self) -> list[Stored]:
        async with self.sql() as db:
            return [Stored(*row) for row in await db.fetch(_ROWS)]

    async def rejected(self) -> frozenset[float]:
        """Return the values of messages that are kept as rejections."""
        values: set[float] = set()
        async with self.sql() as db:
            for row in await db.fetch("select payload from rejection"):
                told = json.loads(row["payload"])
                for element in told if isinstance(told, list) else [told]:
                    values.add(float(element["values"]["value"]))
        return frozenset(values)

    async def ledger_faults(self) -> int:
        async with self.sql() as db:
            return int(await db.fetchval(_LEDGER_FAULTS))

    async def totals(self) -> tuple[int, int]:
        """Return duplicates and rejected, over all connectors."""
        async with self.sql() as db:
            row = await db.fetchrow(
                "select coalesce(sum(duplicates), 0), coalesce(sum(rejected), 0) from connector"
            )
            return int(row[0]), int(row[1])

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """Connect to the database as a checker does: plainly, and patiently."""
        db = await self._patiently()
        try:
            yield db
        finally:
            await db.close(timeout=5)

    async def _patiently(self) -> asyncpg.Connection:
        async with asyncio.timeout(60):
            while True:
                try:
                    return await asyncpg.connect(self.database_url, timeout=5)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                    await asyncio.sleep(0.2)

    async def command(self, *arguments: str) -> str:
        """Run one of the hub's commands to its end; return what it printed."""
        env = {**os.environ, "STADSNAV_DATABASE_URL": self.database_url}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", *arguments, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"stadsnav {' '.join(arguments)}: {out.decode()}")
        return out.decode()

    async def subscribed(self, times: int = 1) -> None:
        """Wait until ingest has subscribed for the n-th time: from then on the broker keeps."""
        log = self.folder / "ingest.log"
        async with asyncio.timeout(60):
            while not log.exists() or log.read_text().count("subscribed to") < times:
                await asyncio.sleep(0.05)

    async def snapshot(self) -> None:
        """Let a broker that persists write its state once, as it has after its first seconds."""
        self.broker.signal(signal.SIGUSR1)
        saved = self.folder / "broker" / "mosquitto.db"
        if "persistence true" in (self.folder / "broker" / "mosquitto.conf").read_text():
            async with asyncio.timeout(10):
                while not saved.exists():
                    await asyncio.sleep(0.05)

    def tree(self, child: Child) -> list[int]:
        """Return the ids of a process and of all below it."""
        found = [child.pid] if child.pid else []
        for pid in found:
            tasks = Path(f"/proc/{pid}/task/{pid}/children")
            with contextlib.suppress(OSError):
                found += [int(number) for number in tasks.read_text().split()]
        return found

    def signal_tree(self, child: Child, which: signal.Signals) -> None:
        for pid in self.tree(child):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, which)


@asynccontextmanager
async def rig(
    *,
    broker: Mapping[str, str] | None = None,
    volume: Path | None = None,
    ingest_env: Mapping[str, str] | None = None,
    receipts: bool = False,
) -> AsyncIterator[Rig]:
    """Run a hub with registered devices; `volume` holds the database instead of a plain folder."""
    folder = Path(tempfile.mkdtemp(prefix="stadsnav-chaos-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        data = (volume or folder) / "postgres"
        running = postgres.running(data, folder / "postgres.log")
        url, database = await stack.enter_async_context(running)
        made = Rig(folder, url, folder / "history.jsonl")
        made.database = database
        await _register(url, receipts=receipts)
        made.broker, port = await _broker(stack, folder, broker or {})
        await _proxies(stack, made, url, port)
        made.ingest = _ingest(made, ingest_env or {})
        await made.ingest.start()
        stack.push_async_callback(made.ingest.stop)
        keeping = asyncio.create_task(_keep_alive(made), name="keep-alive")
        try:
            await made.subscribed()
            await made.snapshot()
            yield made
        finally:
            keeping.cancel()
            made.signal_tree(made.ingest, signal.SIGCONT)
            for child in (made.database, made.broker):
                made.signal_tree(child, signal.SIGCONT)


async def _register(url: str, *, receipts: bool) -> None:
    async with connect(url) as db:
        await migrate(db)
        async with db.transaction():
            await registry.add_organisation(db, "owner", "Owner")
            await registry.add_property(db, ObservedProperty("value", "Value", "1"))
            for name in DEVICES:
                await registry.add_device(db, Device(name, "owner", "chaos", name), ["value"])
                await registry.set_receipts(db, name, wanted=receipts)


async def _broker(
    stack: AsyncExitStack, folder: Path, instead: Mapping[str, str]
) -> tuple[Child, int]:
    room = folder / "broker"
    room.mkdir()
    (room / "passwords").write_text(f"{USER}:{hash_password(PASSWORD)}\n")
    (room / "acl").write_text(f"user {USER}\ntopic readwrite #\n")
    running = await stack.enter_async_context(
        mosquitto.running(
            room,
            folder / "mosquitto.log",
            port=free_port(),
            window=WINDOW,
            bind_client_ids=False,
            instead=instead,
        )
    )
    return running.child, running.port


async def _proxies(stack: AsyncExitStack, made: Rig, url: str, port: int) -> None:
    made.device_port, hub_port = free_port(), free_port()
    made.device_link = await stack.enter_async_context(tcp_proxy(made.device_port, port))
    made.broker_link = await stack.enter_async_context(tcp_proxy(hub_port, port))
    # As short as can be: a Unix socket's path has 107 bytes.
    near = Path(tempfile.mkdtemp(prefix="sn-"))
    stack.callback(shutil.rmtree, near, ignore_errors=True)
    far = Path(_socket_folder(url))
    made.database_link = await stack.enter_async_context(unix_proxy(near / SOCKET, far / SOCKET))
    made.ingest_env = {
        "STADSNAV_DATABASE_URL": f"postgresql://{postgres.USER}@/{postgres.USER}"
        f"?host={quote(str(near))}",
        "STADSNAV_MQTT_URL": f"mqtt://{USER}:{PASSWORD}@{HOST}:{hub_port}",
        "STADSNAV_MQTT_WINDOW": str(WINDOW),
    }


def _socket_folder(url: str) -> str:
    return parse_qs(urlsplit(url).query)["host"][0]


def _ingest(made: Rig, env: Mapping[str, str]) -> Child:
    command = [sys.executable, "-m", "hub.cli", "ingest"]
    return Child("ingest", command, made.folder / "ingest.log", env={**made.ingest_env, **env})


async def _keep_alive(made: Rig) -> None:
    """Start again what ends, as a supervisor does."""
    async with asyncio.TaskGroup() as group:
        for child in (made.database, made.broker, made.ingest):
            group.create_task(_revive(made, child), name=f"revive.{child.name}")


async def _revive(made: Rig, child: Child) -> None:
    while True:
        await child.wait()
        while child in made.paused:
            await asyncio.sleep(0.05)
        await asyncio.sleep(RESTART_S)
        await child.start()
