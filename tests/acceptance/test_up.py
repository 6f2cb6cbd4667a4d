"""Does `stadsnav up` bring everything up, print commands that work, and go away as it came?"""

import asyncio
import json
import os
import re
import signal
import ssl
import sys
import time
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from hub.broker.access import hash_password
from hub.embedded.network import free_port
from hub.storage.pool import connect

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

READY_WITHIN_S, STOPPED_WITHIN_S = 30, 5


class Up:
    """A running `stadsnav up` and what it has printed so far."""

    def __init__(self, folder, **env):
        self.folder = folder
        self.env = {
            **os.environ,
            "STADSNAV_API_PORT": str(free_port()),
            "STADSNAV_MQTT_PORT": str(free_port()),
            **env,
        }
        self.printed = ""

    async def start(self, *options):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", "up", "--data", str(self.folder), *options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self.env,
        )  # fmt: skip

    async def until(self, text):
        async with asyncio.timeout(READY_WITHIN_S):
            while text not in self.printed:
                line = await self.process.stdout.readline()
                assert line, self.printed
                self.printed += line.decode()

    async def stop(self, which=signal.SIGINT):
        started = time.monotonic()
        self.process.send_signal(which)
        async with asyncio.timeout(30):
            rest, _ = await self.process.communicate()
        self.printed += rest.decode()
        return time.monotonic() - started


def commands(printed):
    """The commands to try, in the order they are printed."""
    return re.findall(
        r"^  ((?:\S+=\S+ )?(?:curl|mosquitto_pub|\S*stadsnav) .*)$", printed, re.MULTILINE
    )


async def shell(command, timeout_s=10):
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(timeout_s):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        out, _ = await process.communicate()
    return out.decode()


def children(folder):
    """Processes whose command line names this folder."""
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:  # noqa: PTH123
                    if str(folder).encode() in file.read() and int(entry) != os.getpid():
                        found.append(entry)
            except OSError:
                continue
    return found


async def test_everything_starts_the_commands_work_and_ctrl_c_ends_it(tmp_path, make):
    up = Up(tmp_path / "data")
    await up.start()
    await up.until("Ctrl-C stops everything")

    publish, read, follow, manage = commands(up.printed)
    assert "Usage" in await shell(manage)
    organisations = await shell(manage.replace("--help", "organisation list"), 20)
    assert "Traffic Administration" in organisations
    assert "sample-history" in await shell(manage.replace("admin --help", "status"), 20)
    following = asyncio.create_task(shell(follow + " --max-time 4", 10))
    await asyncio.sleep(1)
    await shell(publish)

    async def visible():
        return json.loads(await shell(read + " -s"))["readings"]

    [row] = await make.eventually(visible)
    assert (row["device"], row["value"]) == ("demo-1", 21.5)
    assert '"value":21.5' in await following

    credentials = json.loads((tmp_path / "data" / "credentials.json").read_text())
    assert (tmp_path / "data" / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert set(credentials["keys"]) == {"traffic", "environment", "water", "property", "region"}
    async with httpx.AsyncClient(base_url=credentials["api"]) as http:
        page = await http.get("/")
        assert page.status_code == 200
        opened = (await http.get("/api/v1/feeds")).json()["feeds"]
        assert [feed["id"] for feed in opened] == ["air-quality"]
        key = credentials["keys"][credentials["device"]["reader"]]
        feed = credentials["device"]["feed"]
        again = await http.get(
            f"/api/v1/feeds/{feed}/latest", headers={"Authorization": f"Bearer {key}"}
        )
        assert again.json()["readings"] == [row]

        async def city_talks():
            metrics = (await http.get("/metrics")).text
            found = re.search(r'ingest_stored_total\{connector="mqtt"\} (\S+)', metrics)
            return found and float(found[1]) > 200

        await make.eventually(city_talks, 30)
        history = await http.get("/api/v1/feeds/air-quality/readings?resolution=PT1H&limit=24")
        assert len(history.json()["readings"]) == 24

    assert await up.stop() < STOPPED_WITHIN_S
    assert up.process.returncode == 0, up.printed
    assert not children(tmp_path)
    assert not (tmp_path / "data" / "running.json").exists()
    assert "no `stadsnav up` runs" in await shell(
        manage.replace("admin --help", "status") + " 2>&1", 20
    )

    second = Up(tmp_path / "data", **{k: up.env[k] for k in up.env if k.startswith("STADSNAV_")})
    await second.start()
    await second.until("Ctrl-C stops everything")
    assert "as it was" in second.printed
    assert json.loads((tmp_path / "data" / "credentials.json").read_text()) == credentials
    [kept] = json.loads(await shell(read + " -s"))["readings"]
    assert kept == row
    assert await second.stop(signal.SIGTERM) < STOPPED_WITHIN_S


async def test_with_tls_every_printed_command_works_encrypted(tmp_path, make):
    ports = {f"STADSNAV_MQTT_{name}_PORT": str(free_port()) for name in ("TLS", "MTLS")}
    up = Up(tmp_path / "data", **ports)
    await up.start("--tls")
    await up.until("Ctrl-C stops everything")

    publish, certified, read, follow, _ = commands(up.printed)
    following = asyncio.create_task(shell(follow + " --max-time 6", 15))
    assert f"-p {ports['STADSNAV_MQTT_TLS_PORT']} --cafile" in publish
    await shell(publish)
    assert f"-p {ports['STADSNAV_MQTT_MTLS_PORT']} --cafile" in certified
    assert " -P " not in certified
    await shell(certified.replace("21.5", "22.5"))

    async def visible():
        latest = json.loads(await shell(read + " -s"))["readings"]
        return latest and latest[0]["value"] == 22.5

    await make.eventually(visible)
    told = await following
    assert '"value":21.5' in told
    assert '"value":22.5' in told

    data = tmp_path / "data"
    credentials = json.loads((data / "credentials.json").read_text())
    assert credentials["api"].startswith("https://127.0.0.1:")
    assert credentials["mqtt"] == f"mqtt://127.0.0.1:{up.env['STADSNAV_MQTT_PORT']}"
    assert credentials["mqtts"] == f"mqtts://127.0.0.1:{ports['STADSNAV_MQTT_TLS_PORT']}"
    trusting = ssl.create_default_context(cafile=credentials["authority"])
    async with httpx.AsyncClient(base_url=credentials["api"], verify=trusting) as http:
        key = credentials["keys"]["traffic"]
        signed_in = await http.post("/session", data={"key": key})
        assert "secure" in signed_in.headers["set-cookie"].lower()

        async def city_talks():
            metrics = (await http.get("/metrics")).text
            found = re.search(r'ingest_stored_total\{connector="mqtt"\} (\S+)', metrics)
            return found and float(found[1]) > 200

        await make.eventually(city_talks, 30)
    assert "good for" in await shell(
        f"STADSNAV_DATA={data} {sys.executable} -m hub.cli doctor 2>&1", 20
    )
    before = (data / "certificates" / "trusted" / "authority.crt").read_bytes()
    assert await up.stop() < STOPPED_WITHIN_S
    assert up.process.returncode == 0, up.printed

    again = Up(data, **{k: up.env[k] for k in up.env if k.startswith("STADSNAV_")})
    await again.start("--tls", "--no-city")
    await again.until("Ctrl-C stops everything")
    assert (data / "certificates" / "trusted" / "authority.crt").read_bytes() == before
    assert len(list((data / "certificates" / "issued").iterdir())) == 2
    await again.stop()


async def test_what_is_in_the_way_is_one_clear_line(tmp_path):
    up = Up(tmp_path / "data")
    await up.start("--no-city")
    await up.until("Ctrl-C stops everything")
    api, mqtt = up.env["STADSNAV_API_PORT"], up.env["STADSNAV_MQTT_PORT"]

    async def refused(folder, **env):
        other = Up(folder, **env)
        await other.start("--no-city")
        async with asyncio.timeout(READY_WITHIN_S):
            out, _ = await other.process.communicate()
        assert other.process.returncode == 2, out
        assert b"Traceback" not in out
        return out.decode().splitlines()[-1]

    assert "STADSNAV_API_PORT" in await refused(tmp_path / "b", STADSNAV_API_PORT=api)
    assert "STADSNAV_MQTT_PORT" in await refused(tmp_path / "c", STADSNAV_MQTT_PORT=mqtt)
    assert "another `stadsnav up`" in await refused(tmp_path / "data")
    (tmp_path / "file").write_text("")
    assert "--data" in await refused(tmp_path / "file" / "x")
    assert "STADSNAV_API_PORT" in await refused(tmp_path / "d", STADSNAV_API_PORT="99999")
    missing = "postgresql://nobody@127.0.0.1:1/nothing"
    told = await refused(tmp_path / "e", STADSNAV_DATABASE_URL=missing)
    assert "Connect" in told or "connect" in told
    await up.stop()


async def test_a_damaged_database_is_told_with_what_to_do(tmp_path):
    up = Up(tmp_path / "data")
    await up.start("--no-city")
    await up.until("Ctrl-C stops everything")
    await up.stop()
    (tmp_path / "data" / "postgres" / "global" / "pg_control").write_bytes(b"\0" * 8192)
    again = Up(tmp_path / "data")
    await again.start("--no-city")
    out, _ = await again.process.communicate()
    assert again.process.returncode == 2
    assert "restore a backup, or move the folder away" in out.decode().splitlines()[-1]


async def test_a_part_that_dies_is_started_again(tmp_path, make):
    up = Up(tmp_path / "data")
    await up.start("--no-city")
    await up.until("Ctrl-C stops everything")
    [ingest] = [pid for pid in descendants(up.process.pid) if b"\0ingest\0" in cmdline(pid)]
    os.kill(ingest, signal.SIGKILL)
    await up.until("ingest ended with code -9, starting it again")
    await make.eventually(lambda: has_ingest(up, ingest))
    await up.stop()


async def has_ingest(up, but):
    return [p for p in descendants(up.process.pid) if b"\0ingest\0" in cmdline(p) and p != but]


def cmdline(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def descendants(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return [int(child) for child in file.read().split()]


async def test_killed_outright_it_leaves_no_process_behind(tmp_path, make):
    up = Up(tmp_path / "data")
    await up.start("--no-city")
    await up.until("Ctrl-C stops everything")
    left = descendants(up.process.pid)
    assert len(left) == 5
    up.process.kill()

    async def all_gone():
        return not any(cmdline(pid) for pid in left)

    await make.eventually(all_gone)
    again = Up(tmp_path / "data")
    await again.start("--no-city")
    await again.until("Ctrl-C stops everything")
    await again.stop()


async def test_a_given_database_and_broker_are_used_instead(tmp_path, server_url, broker, make):
    name = f"stadsnav_given_{os.getpid()}"
    async with connect(server_url) as server:
        await server.execute(f"create database {name}")
    given = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    up = Up(
        tmp_path / "data",
        STADSNAV_DATABASE_URL=given,
        STADSNAV_MQTT_URL=f"mqtt://{make.hub_user}:{make.hub_password}@127.0.0.1:{broker.port}",
        STADSNAV_MQTT_PASSWORD_FILE=str(broker.passwords),
        STADSNAV_MQTT_ACL_FILE=str(broker.acl),
        STADSNAV_MQTT_PID_FILE=str(broker.pid),
        STADSNAV_MQTT_HUB_PASSWORD_HASH=hash_password(make.hub_password),
    )
    await up.start()
    await up.until("Ctrl-C stops everything")
    assert "the one of STADSNAV_DATABASE_URL" in up.printed
    assert "the one of STADSNAV_MQTT_URL" in up.printed
    assert not (tmp_path / "data" / "postgres").exists()
    credentials = json.loads((tmp_path / "data" / "credentials.json").read_text())
    assert credentials["mqtt"] == f"mqtt://127.0.0.1:{broker.port}"
    async with connect(given) as db:

        async def city_talks():
            return await db.fetchval("select stored > 50 from connector where id = 'mqtt'")

        await make.eventually(city_talks, 30)
    assert make.hub_password not in up.printed
    await up.stop()
    async with connect(server_url) as server:
        await server.execute(f"drop database {name} with (force)")
