"""What goes wrong, and how it is mended again."""

import asyncio
import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from bench.chaos.rig import Rig
from hub.embedded.process import Child

CLOCK_LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"
MIB = 1024 * 1024


@dataclass(slots=True)
class Run:
    """One run of a scenario: what is hurt, the dice, and when brokers were killed (Unix time)."""

    rig: Rig
    random: random.Random
    broker_killed_at: list[float] = field(default_factory=list)


Inflict = Callable[[Run], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault under load.

    `seconds` of load at least; `broker` are options of mosquitto.conf instead of ours. `window`:
    what the broker itself acknowledged and lost is measured, not judged. `untimed`: some messages
    have no time of their own, which only makes sense while devices need not send anything twice.
    `afterwards` is run when all is mended and before the store is compared.
    """

    what: str
    inflict: Inflict
    seconds: float = 12
    broker: Mapping[str, str] = field(default_factory=dict)
    window: bool = False
    receipts: bool = False
    untimed: bool = False
    small_volume: bool = False
    faked_clock: bool = False
    afterwards: Inflict | None = None


def child_of(run: Run, name: str) -> Child:
    child: Child = getattr(run.rig, name)
    return child


def kill(name: str, times: int, every_s: tuple[float, float] = (0.5, 3.0)) -> Inflict:
    """SIGKILL a process several times, at random moments; its supervisor starts it again."""

    async def inflict(run: Run) -> None:
        for _ in range(times):
            await asyncio.sleep(run.random.uniform(*every_s))
            child = child_of(run, name)
            if name == "broker":
                run.broker_killed_at.append(time.time())
            child.signal(signal.SIGKILL)

    return inflict


def kill_while_ingest_is_away(away_s: float) -> Inflict:
    """SIGKILL the broker after it has kept messages for an ingest that is not there."""

    async def inflict(run: Run) -> None:
        rig = run.rig
        await asyncio.sleep(1)
        rig.paused.add(rig.ingest)
        rig.ingest.signal(signal.SIGKILL)
        await asyncio.sleep(away_s)
        run.broker_killed_at.append(time.time())
        rig.broker.signal(signal.SIGKILL)
        await asyncio.sleep(2)
        rig.paused.discard(rig.ingest)

    return inflict


def restart(name: str) -> Inflict:
    """End a process in order, and let its supervisor start it again."""

    async def inflict(run: Run) -> None:
        await asyncio.sleep(run.random.uniform(1, 3))
        if name == "broker":
            run.broker_killed_at.append(time.time())
        child_of(run, name).signal(signal.SIGTERM)

    return inflict


def stop(name: str, seconds: float) -> Inflict:
    """SIGSTOP a process and all below it for a while."""

    async def inflict(run: Run) -> None:
        await asyncio.sleep(run.random.uniform(1, 3))
        child = child_of(run, name)
        run.rig.signal_tree(child, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        run.rig.signal_tree(child, signal.SIGCONT)

    return inflict


def cut(link: str, seconds: float, *, stall: bool) -> Inflict:
    """Cut a connection with a reset, or let it hang, for a while; twice."""

    async def inflict(run: Run) -> None:
        for _ in range(2):
            await asyncio.sleep(run.random.uniform(0.5, 2))
            proxy = getattr(run.rig, link)
            if stall:
                proxy.stall()
            else:
                proxy.cut()
            await asyncio.sleep(seconds)
            proxy.heal()

    return inflict


_SLOW = """
create function dawdle() returns trigger language plpgsql as $$
begin
    perform pg_sleep(0.5 + random() * 4.5);
    return null;
end $$;
create constraint trigger dawdle after insert on batch deferrable initially deferred
    for each row execute function dawdle();
"""


async def slow_commits(run: Run) -> None:
    """Let every COMMIT take 0.5 to 5 seconds for half a minute."""
    async with run.rig.sql() as db:
        await db.execute(_SLOW)
    await asyncio.sleep(30)
    async with run.rig.sql() as db:
        await db.execute("drop trigger dawdle on batch")


def refusing(seconds: float) -> Inflict:
    """Let the database refuse connections and end those there are."""

    async def inflict(run: Run) -> None:
        await asyncio.sleep(1)
        async with run.rig.sql() as db:
            name = await db.fetchval("select current_database()")
            # From another database, or it would lock itself out.
            server = run.rig.database_url.replace(f"/{name}?", "/postgres?")
        await _psql(server, f'alter database "{name}" with allow_connections false')
        await _psql(
            server,
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'",
        )
        await asyncio.sleep(seconds)
        await _psql(server, f'alter database "{name}" with allow_connections true')

    return inflict


async def _psql(url: str, statement: str) -> None:
    db = await asyncpg.connect(url)
    try:
        await db.execute(statement)
    finally:
        await db.close()


async def full_disk(run: Run) -> None:
    """Fill the database's volume to the last byte for a while; twice."""
    volume = run.rig.volume
    for _ in range(2):
        await asyncio.sleep(run.random.uniform(1, 2))
        ballast = volume / "ballast"
        with ballast.open("wb") as file:
            try:
                while True:
                    file.write(bytes(MIB))
                    file.flush()
            except OSError:
                pass
        await asyncio.sleep(6)
        ballast.unlink()


def step_clock(offset: str, seconds: float) -> Inflict:
    """Step ingest's clock and, after a while, back again."""

    async def inflict(run: Run) -> None:
        await asyncio.sleep(2)
        run.rig.clock.write_text(f"{offset}\n")
        await asyncio.sleep(seconds)
        run.rig.clock.write_text("+0\n")

    return inflict


async def replay_rejected(run: Run) -> None:
    """Take in what was rejected for an impossible time, as an operator does once it is mended."""
    await run.rig.command("admin", "rejection", "replay", "--reason", "time_in_future")


@asynccontextmanager
async def small_volume(mib: int) -> AsyncIterator[Path]:
    """Mount a small file system of its own; needs to be root."""
    if os.geteuid() != 0:
        raise PermissionError("a volume that can be full needs to be mounted: run this as root")
    folder = Path(tempfile.mkdtemp(prefix="stadsnav-volume-"))
    await _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        await _run("umount", "-l", str(folder))
        shutil.rmtree(folder, ignore_errors=True)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise OSError(f"{' '.join(command)} failed")


def clock_library() -> str:
    """Return libfaketime's path; raise FileNotFoundError saying how to install it."""
    found = sorted(Path("/").glob(CLOCK_LIBRARIES.lstrip("/")))
    if not found:
        raise FileNotFoundError("libfaketime is not installed: `apt-get install faketime`")
    return str(found[0])


_MINUTE = 60

# Mosquitto's ways to keep its state over a restart.
VOLATILE = {"persistence": "false"}
SNAPSHOTS: dict[str, str] = {}  # as we ship it: every ten seconds
EVERY_CHANGE = {"autosave_on_changes": "true", "autosave_interval": "1"}

SCENARIOS: dict[str, Scenario] = {
    "calm": Scenario("nothing", lambda _run: asyncio.sleep(0), 5, untimed=True),
    "ingest-kill": Scenario("SIGKILL of ingest, 5 times", kill("ingest", 5), untimed=True),
    "database-kill": Scenario(
        "SIGKILL of PostgreSQL, 3 times", kill("database", 3, (2, 4)), untimed=True
    ),
    "broker-kill": Scenario(
        "SIGKILL of the broker, 3 times; snapshots every 10 s",
        kill("broker", 3, (2, 5)),
        broker=SNAPSHOTS,
        window=True,
    ),
    "broker-kill-volatile": Scenario(
        "SIGKILL of the broker, 3 times; no persistence",
        kill("broker", 3, (2, 5)),
        broker=VOLATILE,
        window=True,
    ),
    "broker-kill-every-change": Scenario(
        "SIGKILL of the broker, 3 times; a snapshot at every change",
        kill("broker", 3, (2, 5)),
        broker=EVERY_CHANGE,
        window=True,
    ),
    "broker-kill-away": Scenario(
        "SIGKILL of the broker while ingest is away; snapshots every 10 s",
        kill_while_ingest_is_away(8),
        15,
        broker=SNAPSHOTS,
        window=True,
    ),
    "broker-kill-away-volatile": Scenario(
        "SIGKILL of the broker while ingest is away; no persistence",
        kill_while_ingest_is_away(8),
        15,
        broker=VOLATILE,
        window=True,
    ),
    "broker-kill-away-every-change": Scenario(
        "SIGKILL of the broker while ingest is away; a snapshot at every change",
        kill_while_ingest_is_away(8),
        15,
        broker=EVERY_CHANGE,
        window=True,
    ),
    "broker-kill-receipts": Scenario(
        "SIGKILL of the broker, 3 times; snapshots every 10 s; receipts",
        kill("broker", 3, (2, 5)),
        broker=SNAPSHOTS,
        receipts=True,
    ),
    "broker-kill-volatile-receipts": Scenario(
        "SIGKILL of the broker, 3 times; no persistence; receipts",
        kill("broker", 3, (2, 5)),
        broker=VOLATILE,
        receipts=True,
    ),
    "broker-kill-away-receipts": Scenario(
        "SIGKILL of the broker while ingest is away; no persistence; receipts",
        kill_while_ingest_is_away(8),
        15,
        broker=VOLATILE,
        receipts=True,
    ),
    "everything-kill-receipts": Scenario(
        "SIGKILL of ingest, PostgreSQL and broker in turn; receipts",
        lambda run: _in_turn(
            run, kill("ingest", 1), kill("broker", 1), kill("database", 1), kill("broker", 1)
        ),
        15,
        receipts=True,
    ),
    "broker-restart": Scenario(
        "the broker ends in order and comes back; with persistence",
        restart("broker"),
        broker=SNAPSHOTS,
    ),
    "broker-restart-volatile": Scenario(
        "the broker ends in order and comes back; no persistence",
        restart("broker"),
        broker=VOLATILE,
        window=True,
    ),
    "ingest-stop": Scenario("SIGSTOP of ingest for 30 s", stop("ingest", 30), 36, untimed=True),
    "database-stop": Scenario(
        "SIGSTOP of PostgreSQL for 30 s", stop("database", 30), 36, untimed=True
    ),
    "broker-stop": Scenario("SIGSTOP of the broker for 30 s", stop("broker", 30), 36),
    "database-slow": Scenario("0.5 to 5 s per COMMIT for 30 s", slow_commits, 32, untimed=True),
    "database-refusing": Scenario(
        "PostgreSQL refuses connections for a minute", refusing(_MINUTE), 64, untimed=True
    ),
    "disk-full": Scenario(
        "the database's volume is full for 6 s, twice", full_disk, 18, small_volume=True
    ),
    "cut-device-broker": Scenario(
        "resets between devices and broker", cut("device_link", 3, stall=False)
    ),
    "stall-device-broker": Scenario(
        "a hanging network between devices and broker", cut("device_link", 6, stall=True), 18
    ),
    "cut-broker-ingest": Scenario(
        "resets between broker and ingest", cut("broker_link", 3, stall=False), untimed=True
    ),
    "stall-broker-ingest": Scenario(
        "a hanging network between broker and ingest", cut("broker_link", 6, stall=True), 18,
        untimed=True,
    ),
    "cut-ingest-database": Scenario(
        "resets between ingest and PostgreSQL", cut("database_link", 3, stall=False), untimed=True
    ),
    "stall-ingest-database": Scenario(
        "a hanging network between ingest and PostgreSQL", cut("database_link", 6, stall=True), 18,
        untimed=True,
    ),
    "clock-forward": Scenario(
        "ingest's clock steps an hour forward, and back", step_clock("+3600", 5), 12,
        faked_clock=True,
    ),
    "clock-back": Scenario(
        "ingest's clock steps an hour back, and forward; then a replay", step_clock("-3600", 5), 12,
        faked_clock=True, afterwards=replay_rejected,
    ),
}  # fmt: skip

SHORT = (
    "ingest-kill", "database-kill", "broker-kill-receipts", "broker-restart",
    "stall-broker-ingest", "cut-ingest-database", "disk-full", "clock-back",
)  # fmt: skip


async def _in_turn(run: Run, *steps: Inflict) -> None:
    for step in steps:
        await step(run)
