"""Run everything on this machine: database, broker, ingest, API, and a city that talks."""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connectors.mqtt import Broker
from connectors.tls import Tls
from hub.broker.access import acl_file, hash_password, password_file
from hub.commands import sample
from hub.commands.certifying import Certified, certified
from hub.commands.files import Folder, short, write_private
from hub.commands.securing import broker_tls
from hub.commands.supervising import Console, supervise, until_connected, until_ready
from hub.commands.welcome import Reach, credentials_file, welcome
from hub.embedded import mosquitto, postgres
from hub.embedded.network import HOST, check_port_is_free, free_port
from hub.embedded.process import Child
from hub.settings import MqttSettings, Settings
from hub.storage import registry
from hub.storage.migrate import migrate
from hub.storage.pool import connect
from simulators.city import sample_city


@dataclass(frozen=True, slots=True)
class Parts:
    """The running infrastructure, and what our own processes must be told of it."""

    database_url: str
    broker: Broker
    env: dict[str, str]
    children: tuple[Child, ...]
    certified: Certified | None


async def run_up(
    settings: Settings, data: Path, *, with_city: bool, rate: float, tls: bool = False
) -> None:
    """Start every part, tell how to use it, and keep it running until cancelled."""
    console = Console()
    folder = Folder(data)
    folder.prepare()
    with folder.alone():
        made = _certified(settings, folder) if tls else None
        await check_port_is_free(settings.api.port, "STADSNAV_API_PORT")
        if settings.mqtt.url is None:
            await check_port_is_free(settings.mqtt.port, "STADSNAV_MQTT_PORT")
        console.say(f"Stadsnav starts, its data is in {short(folder.root)}")
        async with _database(settings, folder, console) as (url, postgres_child):
            credentials = await _prepare(url, folder, console, with_city=with_city)
            async with _broker(settings, folder, url, console, made) as (
                broker, env, broker_child,
            ):  # fmt: skip
                parts = Parts(
                    url,
                    broker,
                    {"STADSNAV_DATABASE_URL": url, **env},
                    tuple(c for c in (postgres_child, broker_child) if c),
                    made,
                )
                with _told_of(folder, url):
                    await _run_parts(
                        settings, folder, parts, console, credentials=credentials, rate=rate
                    )


def _certified(settings: Settings, folder: Folder) -> Certified:
    """Make certificates; let the API serve with them, unless the settings give others."""
    now = datetime.now(UTC)
    made = certified(folder.certificates, settings.api.host, sample.DEMO_DEVICE, now)
    if settings.api.certificate_file is None:
        files = {"certificate_file": made.server.certificate, "key_file": made.server.key}
        settings.api = settings.api.model_copy(update=files)
    return made


@contextmanager
def _told_of(folder: Folder, database_url: str) -> Iterator[None]:
    """Let other commands in this folder find the database for as long as it runs."""
    write_private(folder.running, {"database": database_url})
    try:
        yield
    finally:
        folder.running.unlink(missing_ok=True)


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
    return made


def _known(folder: Folder) -> sample.Credentials | None:
    try:
        keys = json.loads(folder.credentials.read_text())["keys"]
        return sample.Credentials(keys, json.loads(folder.passwords.read_text()))
    except (OSError, ValueError, LookupError):
        return None


@asynccontextmanager
async def _broker(
    settings: Settings, folder: Folder, url: str, console: Console, made: Certified | None
) -> AsyncIterator[tuple[Broker, dict[str, str], Child | None]]:
    """Run the embedded broker, or use the given one; yield it and what ingest must be told."""
    if settings.mqtt.url is not None:
        console.step("broker: the one of STADSNAV_MQTT_URL")
        yield Broker.from_url(settings.mqtt_url, broker_tls(settings.mqtt)), {}, None
        return
    # The hub's own password lives as long as this process: nothing keeps it but its hash.
    password = secrets.token_hex(20)
    hashed, user, port = hash_password(password), settings.mqtt.hub_username, settings.mqtt.port
    async with connect(url) as db:
        devices, _ = await registry.credentials(db)
        shut_out = await registry.shut_out(db)
    passwords, acl = folder.broker / "passwords", folder.broker / "acl"
    for path, text in (
        (passwords, password_file((user, hashed), devices)),
        (acl, acl_file(user, shut_out, [name for name, _ in devices])),
    ):
        path.touch(mode=0o600)
        path.write_text(text)
    log = folder.logs / "mosquitto.log"
    secure = None if made is None else _secure(settings.mqtt, made)
    async with mosquitto.running(
        folder.broker, log, port=port, window=settings.mqtt.window, secure=secure
    ) as running:
        console.step(f"broker: private Mosquitto runs on port {port}")
        if secure is not None:
            console.step(f"broker: TLS on port {secure.port}, certificates on {secure.mtls_port}")
        tls = Tls(secure.authority) if secure else None
        env = {
            "STADSNAV_MQTT_URL": f"mqtts://{user}:{password}@{HOST}:{secure.port}"
            if secure
            else f"mqtt://{user}:{password}@{HOST}:{port}",
            "STADSNAV_MQTT_CA_FILE": str(secure.authority) if secure else "",
            "STADSNAV_MQTT_CERTIFICATE_FILE": "",  # it signs in by password
            "STADSNAV_MQTT_KEY_FILE": "",
            "STADSNAV_MQTT_PASSWORD_FILE": str(passwords),
            "STADSNAV_MQTT_ACL_FILE": str(acl),
            "STADSNAV_MQTT_PID_FILE": str(running.pid),
            "STADSNAV_MQTT_HUB_PASSWORD_HASH": hashed,
        }
        yield Broker.from_url(env["STADSNAV_MQTT_URL"], tls), env, running.child


def _secure(settings: MqttSettings, made: Certified) -> mosquitto.Secure:
    return mosquitto.Secure(
        settings.tls_port,
        settings.mtls_port,
        made.authority,
        made.server.certificate,
        made.server.key,
        made.revocations,
    )


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
    if settings.api.certificate_file is not None:
        api_env["STADSNAV_API_CERTIFICATE_FILE"] = str(settings.api.certificate_file)
        api_env["STADSNAV_API_KEY_FILE"] = str(settings.api.key_file)
    reach = Reach(settings, parts.broker, parts.certified)
    ingest = _own("ingest", folder, env)
    api = _own("api", folder, api_env)
    maintain = _own("maintain", folder, {"STADSNAV_DATABASE_URL": parts.database_url})
    children = [ingest, api, maintain]
    try:
        await ingest.start()
        await api.start()
        await maintain.start()
        await until_connected(ingest, metrics_port)
        console.step("ingest: subscribed")
        await until_ready(api, settings.api.port, settings.api.certificate_file)
        console.step("API and web: ready")
        if credentials is not None:
            city = _own(
                "simulate", folder, {}, "city", "--host", parts.broker.host, "--port",
                str(parts.broker.port), "--passwords", str(folder.passwords), "--rate", str(rate),
                *_tls_options(parts.broker.tls),
            )  # fmt: skip
            children.append(city)
            await city.start()
            console.step("simulated city: talking")
            write_private(folder.credentials, credentials_file(reach, credentials))
        console.say(welcome(reach, folder, credentials))
        await supervise([*parts.children, *children], console)
    finally:
        console.say("\nStopping …")
        await asyncio.gather(*(child.stop() for child in children))


def _tls_options(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    return ["--tls"] if tls.authority is None else ["--tls-ca", str(tls.authority)]


def _own(name: str, folder: Folder, env: dict[str, str], *arguments: str) -> Child:
    command = [sys.executable, "-m", "hub.cli", name, *arguments]
    return Child(name, command, folder.logs / f"{name}.log", env=env)
