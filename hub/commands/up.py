"""Run everything on this machine: database, broker, ingest, API, and a city that talks."""

import asyncio
import contextlib
import fcntl
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from connectors.mqtt import Broker
from hub.broker.access import acl_file, hash_password, password_file
from hub.commands import sample
from hub.commands.files import write_private
from hub.embedded import mosquitto, postgres
from hub.embedded.network import HOST, check_port_is_free, free_port
from hub.embedded.process import Child
from hub.errors import ConfigurationError
from hub.settings import Settings
from hub.storage import registry
from hub.storage.migrate import migrate
from hub.storage.pool import connect
from simulators.city import sample_city

READY_TIMEOUT_S = 30
RESTARTS = 5  # of one part within RESTART_WINDOW_S; then it will not get better by itself
RESTART_WINDOW_S = 60


class Console:
    """Tell what happens, one line per step, with the seconds since the start."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def step(self, what: str) -> None:
        print(f"  {time.monotonic() - self._started:5.1f} s  {what}", flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where `up` keeps what must survive it."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def passwords(self) -> Path:
        return self.root / "simulated-devices.json"

    def prepare(self) -> None:
        """Make the folders; raise ConfigurationError if that cannot be."""
        try:
            for path in (self.root, self.logs, self.broker):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.root / "lock").touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {self.root} ({error.strerror}): choose another folder with --data"
            ) from error


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Keep a second `up` out of the same folder."""
    with (folder.root / "lock").open("r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                f"another `stadsnav up` runs in {folder.root} already: stop that one, or choose "
                "another folder with --data"
            ) from error
        yield


@dataclass(frozen=True, slots=True)
class Parts:
    """The running infrastructure, and what our own processes must be told of it."""

    database_url: str
    broker: Broker
    env: dict[str, str]
    children: tuple[Child, ...]


async def run_up(settings: Settings, data: Path, *, with_city: bool, rate: float) -> None:
    """Start every part, tell how to use it, and keep it running until cancelled."""
    console = Console()
    folder = Folder(data)
    folder.prepare()
    with _alone(folder):
        await check_port_is_free(settings.api.port, "STADSNAV_API_PORT")
        if settings.mqtt.url is None:
            await check_port_is_free(settings.mqtt.port, "STADSNAV_MQTT_PORT")
        console.say(f"Stadsnav starts, its data is in {_short(folder.root)}")
        async with _database(settings, folder, console) as (url, postgres_child):
            credentials = await _prepare(url, folder, console, with_city=with_city)
            async with _broker(settings, folder, url, console) as (broker, env, broker_child):
                parts = Parts(
                    url,
                    broker,
                    {"STADSNAV_DATABASE_URL": url, **env},
                    tuple(c for c in (postgres_child, broker_child) if c),
                )
                await _run_parts(
                    settings, folder, parts, console, credentials=credentials, rate=rate
                )


def _short(path: Path) -> str:
    with contextlib.suppress(ValueError):
        return f"./{path.relative_to(Path.cwd())}"
    return str(path)


@asynccontextmanager
async def _database(
    settings: Settings, folder: Folder, console: Console
) -> AsyncIterator[tuple[str, Child | None]]:
    if settings.database.url is not None:
        console.step("database: the one of STADSNAV_DATABASE_URL")
        yield settings.database_url, None
        return
    cluster = folder.root / "postgres"
    if not cluster.exists():
        console.step("database: making one")
    async with postgres.running(cluster, folder.logs / "postgres.log") as (url, child):
        console.step("database: private PostgreSQL runs")
        yield url, child


async def _prepare(
    url: str, folder: Folder, console: Console, *, with_city: bool
) -> sample.Credentials | None:
    """Migrate, and register the sample city the first time."""
    async with connect(url) as db:
        applied: list[str] = []
        capability = await migrate(db, applied.append)
        console.step(f"schema: {len(applied)} migrations applied ({capability})")
        if not with_city:
            return None
        city = sample_city()
        if not await sample.is_registered(db):
            made = await sample.register(db, city)
            console.step(f"sample city: {len(city.devices)} devices and a day of history")
            return _kept(folder, made)
        known = _known(folder)
        if known is None:
            made = await sample.renew_credentials(db, city)
            console.step("sample city: its credentials were gone, these are new")
            return _kept(folder, made)
        console.step("sample city: as it was")
        return known


def _kept(folder: Folder, made: sample.Credentials) -> sample.Credentials:
    write_private(folder.passwords, made.passwords)
    write_private(folder.root / "keys.json", made.keys)
    return made


def _known(folder: Folder) -> sample.Credentials | None:
    try:
        keys = json.loads((folder.root / "keys.json").read_text())
        return sample.Credentials(keys, json.loads(folder.passwords.read_text()))
    except (OSError, ValueError):
        return None


@asynccontextmanager
async def _broker(
    settings: Settings, folder: Folder, url: str, console: Console
) -> AsyncIterator[tuple[Broker, dict[str, str], Child | None]]:
    """Run the embedded broker, or use the given one; yield it and what ingest must be told."""
    if settings.mqtt.url is not None:
        console.step("broker: the one of STADSNAV_MQTT_URL")
        yield Broker.from_url(settings.mqtt_url), {}, None
        return
    # The hub's own password lives as long as this process: nothing keeps it but its hash.
    password = secrets.token_hex(20)
    hashed, user, port = hash_password(password), settings.mqtt.hub_username, settings.mqtt.port
    async with connect(url) as db:
        devices = await registry.credentials(db)
    passwords, acl = folder.broker / "passwords", folder.broker / "acl"
    for path, text in (
        (passwords, password_file((user, hashed), devices)),
        (acl, acl_file(user)),
    ):
        path.touch(mode=0o600)
        path.write_text(text)
    log = folder.logs / "mosquitto.log"
    async with mosquitto.running(
        folder.broker, log, port=port, window=settings.mqtt.window
    ) as running:
        console.step(f"broker: private Mosquitto runs on port {port}")
        env = {
            "STADSNAV_MQTT_URL": f"mqtt://{user}:{password}@{HOST}:{port}",
            "STADSNAV_MQTT_PASSWORD_FILE": str(passwords),
            "STADSNAV_MQTT_ACL_FILE": str(acl),
            "STADSNAV_MQTT_PID_FILE": str(running.pid),
            "STADSNAV_MQTT_HUB_PASSWORD_HASH": hashed,
        }
        yield Broker.from_url(env["STADSNAV_MQTT_URL"]), env, running.child


async def _run_parts(
    settings: Settings,
    folder: Folder,
    parts: Parts,
    console: Console,
    *,
    credentials: sample.Credentials | None,
    rate: float,
) -> None:
    metrics_port = settings.ingest.metrics_port or free_port()
    env = {**parts.env, "STADSNAV_INGEST_METRICS_PORT": str(metrics_port)}
    api_env = {k: v for k, v in env.items() if not k.startswith("STADSNAV_MQTT_")}
    ingest = _own("ingest", folder, env)
    api = _own("api", folder, api_env)
    children = [ingest, api]
    try:
        await ingest.start()
        await api.start()
        await _until_connected(ingest, metrics_port)
        console.step("ingest: subscribed")
        await _until_ready(api, settings.api.port)
        console.step("API and web: ready")
        if credentials is not None:
            city = _own(
                "simulate", folder, {}, "city", "--host", parts.broker.host, "--port",
                str(parts.broker.port), "--passwords", str(folder.passwords), "--rate", str(rate),
            )  # fmt: skip
            children.append(city)
            await city.start()
            console.step("simulated city: talking")
            write_private(folder.credentials, _credentials_file(settings, parts, credentials))
        console.say(_welcome(settings, folder, parts, credentials))
        await _supervise([*parts.children, *children], console)
    finally:
        console.say("\nStopping …")
        await asyncio.gather(*(child.stop() for child in children))


def _own(name: str, folder: Folder, env: dict[str, str], *arguments: str) -> Child:
    command = [sys.executable, "-m", "hub.cli", name, *arguments]
    return Child(name, command, folder.logs / f"{name}.log", env=env)


async def _until_connected(ingest: Child, metrics_port: int) -> None:
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    await _until(ingest, url, "stadsnav_ingest_process_connected 1.0")


async def _until_ready(api: Child, port: int) -> None:
    await _until(api, f"http://127.0.0.1:{port}/readyz", "ready")


async def _until(child: Child, url: str, wanted: str) -> None:
    """Wait until an address of a child answers with some text."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if not child.is_running:
            raise ConfigurationError(f"{child.name} ended at once: {child.last_words()}")
        if wanted in await asyncio.to_thread(_get, url):
            return
        await asyncio.sleep(0.1)
    raise ConfigurationError(
        f"{child.name} is not ready after {READY_TIMEOUT_S} s; its log: {child.log}"
    )


def _get(url: str) -> str:
    try:
        with urlopen(url, timeout=2) as response:  # noqa: S310  an address of our own
            return str(response.read().decode())
    except (URLError, OSError):
        return ""


async def _supervise(children: list[Child], console: Console) -> None:
    """Start again what ends by itself; give up on a part that keeps ending."""
    async with asyncio.TaskGroup() as group:
        for child in children:
            group.create_task(_revive(child, console), name=f"revive.{child.name}")


async def _revive(child: Child, console: Console) -> None:
    ended: list[float] = []
    while True:
        code = await child.wait()
        now = time.monotonic()
        ended = [*(t for t in ended if now - t < RESTART_WINDOW_S), now]
        if len(ended) > RESTARTS:
            raise ConfigurationError(
                f"{child.name} ended {len(ended)} times within a minute "
                f"({child.last_words()}); its log: {child.log}"
            )
        console.step(f"{child.name} ended with code {code}, starting it again")
        await asyncio.sleep(min(0.2 * 2 ** len(ended), 5))
        await child.start()


def _credentials_file(
    settings: Settings, parts: Parts, credentials: sample.Credentials
) -> Mapping[str, object]:
    return {
        "api": f"http://{settings.api.host}:{settings.api.port}",
        "mqtt": f"mqtt://{parts.broker.host}:{parts.broker.port}",
        "keys": credentials.keys,
        "device": {
            "id": sample.DEMO_DEVICE,
            "password": credentials.passwords[sample.DEMO_DEVICE],
            "property": sample.DEMO_PROPERTY,
            "feed": sample.DEMO_FEED,
            "reader": sample.DEMO_READER,
        },
    }


def _welcome(
    settings: Settings, folder: Folder, parts: Parts, credentials: sample.Credentials | None
) -> str:
    api = f"http://{settings.api.host}:{settings.api.port}"
    lines = [
        "",
        "Stadsnav runs.",
        f"  Page and API   {api}/   {api}/docs",
        f"  MQTT           {parts.broker.host}:{parts.broker.port}",
        f"  Logs           {_short(folder.logs)}",
    ]
    if credentials is not None:
        lines += _things_to_try(api, folder, parts, credentials)
    return "\n".join([*lines, "", "Ctrl-C stops everything; the data stays."])


def _things_to_try(
    api: str, folder: Folder, parts: Parts, credentials: sample.Credentials
) -> list[str]:
    device, reader = sample.DEMO_DEVICE, credentials.keys[sample.DEMO_READER]
    password = credentials.passwords[device]
    message = '{"values": {"temperature": 21.5}}'
    feed = f"{api}/api/v1/feeds/{sample.DEMO_FEED}"
    return [
        "",
        f"One key per organisation (also in {_short(folder.credentials)}):",
        *(f"  {organisation:<12} {key}" for organisation, key in credentials.keys.items()),
        "",
        "Try it, in another terminal. Publish a reading as a device:",
        f"  {_publish(parts.broker, device, password, message)}",
        "Read it as the traffic administration, which has an agreement about it:",
        f"  curl -H 'Authorization: Bearer {reader}' {feed}/latest",
        "Follow it (publish again meanwhile, and see it come):",
        f"  curl -N -H 'Authorization: Bearer {reader}' {feed}/stream",
    ]


def _publish(broker: Broker, device: str, password: str, message: str) -> str:
    """Return a command that publishes: Mosquitto's client where it is installed, or our own."""
    import shutil  # noqa: PLC0415  needed on this path only

    topic = f"v1/devices/{device}/readings"
    if shutil.which("mosquitto_pub"):
        return (
            f"mosquitto_pub -h {broker.host} -p {broker.port} -i {device} -u {device} "
            f"-P {password} -q 1 -t {topic} -m '{message}'"
        )
    program = os.path.relpath(Path(sys.executable).with_name("stadsnav"))
    return (
        f"{program} simulate send {device} --host {broker.host} --port {broker.port} "
        f"--password {password} '{message}'"
    )
