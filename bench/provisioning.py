"""How long do 10,000 devices take: to register, and until one change counts at the broker?

Beside it the dynamic-security plugin of the same Mosquitto, where it is installed.
"""

import asyncio
import csv
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiomqtt

from bench.hub import OWNER, PASSWORD, PROPERTY, USER, BenchHub, bench_hub
from bench.report import finish, median, say
from hub.broker.access import hash_password
from hub.embedded import mosquitto
from hub.embedded.network import HOST, free_port
from hub.embedded.process import Child
from hub.storage.pool import connect

DEVICES = 10_000
CHANGES = 5
PLUGIN = "usr/lib/*/mosquitto_dynamic_security.so"
CONTROL = "$CONTROL/dynamic-security/v1"
PLUGIN_DEVICES = 1_000  # it writes all it knows after every command: ten times would take a hundred
COMMANDS = 100  # per message to the plugin
TIMEOUT_S = 300


async def main() -> None:
    async with bench_hub(devices=0) as hub:
        say(f"{DEVICES} devices by a table, on plain PostgreSQL")
        figures: dict[str, object] = {"devices": DEVICES, **await by_files(hub)}
        say(str(figures))
    plugin = _plugin()
    if plugin is None:
        say("the dynamic-security plugin is not installed")
    else:
        say("the same with the dynamic-security plugin")
        figures |= await by_plugin(plugin)
    finish("bench.provisioning", figures)


def _plugin() -> Path | None:
    return next(Path("/").glob(PLUGIN), None)


async def by_files(hub: BenchHub) -> dict[str, object]:
    table, credentials = hub.folder / "devices.csv", hub.folder / "passwords.csv"
    lines = [f"field-{n:05},{OWNER},{PROPERTY}" for n in range(DEVICES)]
    table.write_text("\n".join(["id,organisation,properties", *lines]))
    began = time.monotonic()
    await _run(
        hub.database_url, "admin", "device", "provision", str(table), "--credentials",
        str(credentials),
    )  # fmt: skip
    registered_s = time.monotonic() - began
    with credentials.open() as file:
        passwords = {row["user"]: row["password"] for row in csv.DictReader(file)}
    effects, lost = [], []
    async with connect(hub.database_url) as db, _broker_of_files(hub) as port:
        for number in range(CHANGES):
            user = f"field-{number:05}"
            await _until_in(port, user, passwords[user])
            async with _client(port, user, passwords[user]) as device:
                began = time.monotonic()
                await db.execute("delete from device_credential where device = $1", user)
                await _ended(device)
                lost.append(time.monotonic() - began)
            new = f"new-{number}"
            began = time.monotonic()
            await db.execute(
                "insert into device (id, organisation, kind, name) values ($1, $2, 'x', 'x')",
                new, OWNER,
            )  # fmt: skip
            await db.execute(
                "insert into device_credential (device, hash) values ($1, $2)",
                new, hash_password("x"),
            )  # fmt: skip
            await _until_in(port, new, "x")
            effects.append(time.monotonic() - began)
    return {
        "registered_s": round(registered_s, 1),
        "files_revoked_connection_ended_ms": round(median(lost) * 1000),
        "files_new_device_signs_in_ms": round(median(effects) * 1000),
    }


@asynccontextmanager
async def _broker_of_files(hub: BenchHub) -> AsyncIterator[int]:
    """Run a broker whose users and rights are written by a real ingest."""
    room = hub.folder / "kept"
    room.mkdir()
    hashed = hash_password(PASSWORD)
    (room / "passwords").write_text(f"{USER}:{hashed}\n")
    (room / "acl").write_text("")
    port = free_port()
    async with mosquitto.running(room, hub.folder / "kept.log", port=port, window=1_000) as running:
        env = {
            "STADSNAV_DATABASE_URL": hub.database_url,
            "STADSNAV_MQTT_URL": f"mqtt://{USER}:{PASSWORD}@{HOST}:{port}",
            "STADSNAV_MQTT_WINDOW": "2000",
            "STADSNAV_MQTT_HUB_USERNAME": USER,
            "STADSNAV_MQTT_HUB_PASSWORD_HASH": hashed,
            "STADSNAV_MQTT_PASSWORD_FILE": str(running.passwords),
            "STADSNAV_MQTT_ACL_FILE": str(running.acl),
            "STADSNAV_MQTT_PID_FILE": str(running.pid),
        }
        command = [sys.executable, "-m", "hub.cli", "ingest"]
        ingest = Child("ingest", command, hub.folder / "keeping.log", env=env)
        await ingest.start()
        try:
            yield port
        finally:
            await ingest.stop()


async def by_plugin(plugin: Path) -> dict[str, object]:
    """Register as many at the plugin, by its own messages, then one change at a time."""
    with TemporaryDirectory(prefix="stadsnav-bench-") as name:
        folder, port = Path(name), free_port()
        config = folder / "dynamic.json"
        process = await asyncio.create_subprocess_exec(
            "mosquitto_ctrl", "dynsec", "init", str(config), USER, PASSWORD,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await process.wait()
        (folder / "mosquitto.conf").write_text(
            f"listener {port} {HOST}\nuser {os.environ.get('USER', 'root')}\n"
            f"plugin {plugin}\nplugin_opt_config_file {config}\nallow_anonymous false\n"
            "max_queued_messages 0\n"
        )
        command = [mosquitto.program(), "-c", str(folder / "mosquitto.conf")]
        child = Child("mosquitto", command, folder / "log")
        await child.start()
        try:
            return await _plugin_figures(port)
        finally:
            await child.stop()


async def _plugin_figures(port: int) -> dict[str, object]:
    await _until_in(port, USER, PASSWORD)
    async with _client(port, USER, PASSWORD) as hub:
        await hub.subscribe(f"{CONTROL}/response", qos=1)
        began = time.monotonic()
        for start in range(0, PLUGIN_DEVICES, COMMANDS // 2):
            some = range(start, start + COMMANDS // 2)
            await _ask(hub, [command for n in some for command in _registration(n)])
        registered_s = time.monotonic() - began
        lost, effects = [], []
        for number in range(CHANGES):
            async with _client(port, f"field-{number:05}", "x") as device:
                began = time.monotonic()
                await _ask(hub, [{"command": "disableClient", "username": f"field-{number:05}"}])
                await _ended(device)
                lost.append(time.monotonic() - began)
            began = time.monotonic()
            await _ask(hub, _registration(PLUGIN_DEVICES + number))
            await _until_in(port, f"field-{PLUGIN_DEVICES + number:05}", "x")
            effects.append(time.monotonic() - began)
    return {
        "plugin_devices": PLUGIN_DEVICES,
        "plugin_registered_s": round(registered_s, 1),
        "plugin_revoked_connection_ended_ms": round(median(lost) * 1000),
        "plugin_new_device_signs_in_ms": round(median(effects) * 1000),
    }


def _registration(number: int) -> list[dict[str, object]]:
    """Return a client, and a role with its own topics: %u means nothing there."""
    name = f"field-{number:05}"
    rights = [
        {"acltype": "publishClientSend", "topic": f"v1/devices/{name}/readings", "allow": True},
        {"acltype": "subscribeLiteral", "topic": f"v1/devices/{name}/receipts", "allow": True},
    ]
    return [
        {"command": "createRole", "rolename": name, "acls": rights},
        {
            "command": "createClient", "username": name, "password": "x",
            "roles": [{"rolename": name, "priority": 1}],
        },
    ]  # fmt: skip


async def _ask(hub: aiomqtt.Client, commands: Sequence[dict[str, object]]) -> None:
    """Send commands to the plugin and wait until it has answered each."""
    await hub.publish(CONTROL, json.dumps({"commands": commands}), qos=1, timeout=TIMEOUT_S)
    answered = 0
    async with asyncio.timeout(TIMEOUT_S):
        async for message in hub.messages:
            answers = json.loads(bytes(message.payload))["responses"]
            failed = [answer for answer in answers if "error" in answer]
            if failed:
                raise RuntimeError(str(failed[0]))
            answered += len(answers)
            if answered >= len(commands):
                return


def _client(port: int, user: str, password: str) -> aiomqtt.Client:
    return aiomqtt.Client(
        HOST, port, username=user, password=password, identifier=user, timeout=30,
        max_queued_outgoing_messages=0,
    )  # fmt: skip


async def _until_in(port: int, user: str, password: str) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                async with _client(port, user, password):
                    return
            except aiomqtt.MqttError:
                await asyncio.sleep(0.02)


async def _ended(client: aiomqtt.Client) -> None:
    """Wait until the broker ends a connection."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            async for _ in client.messages:
                pass
    except aiomqtt.MqttError:
        return


async def _run(database_url: str, *arguments: str) -> None:
    env = {**os.environ, "STADSNAV_DATABASE_URL": database_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub.cli", *arguments, env=env
    )
    if await process.wait():
        raise RuntimeError(f"stadsnav {' '.join(arguments)} failed")


if __name__ == "__main__":
    asyncio.run(main())
