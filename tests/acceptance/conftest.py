"""The real commands as processes, against a real broker and database of this test's own."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from hub.broker.access import hash_password
from hub.certificates.folder import Kind
from hub.embedded.network import free_port
from hub.embedded.process import Child


class System:
    """A hub of processes: `command` starts one, `device` connects as a registered device."""

    def __init__(self, folder, database_url, broker, make):
        self.folder, self.database_url, self.broker = folder, database_url, broker
        self.api_port = free_port()
        self.keeps_users = True
        self.settings = {}  # more of them, or others
        self._make = make

    @property
    def env(self):
        hub = f"{self._make.hub_user}:{self._make.hub_password}"
        files = {
            "STADSNAV_MQTT_PASSWORD_FILE": str(self.broker.passwords),
            "STADSNAV_MQTT_ACL_FILE": str(self.broker.acl),
            "STADSNAV_MQTT_PID_FILE": str(self.broker.pid),
            "STADSNAV_MQTT_HUB_PASSWORD_HASH": hash_password(self._make.hub_password),
        }
        return {
            **(files if self.keeps_users else {}),
            "STADSNAV_DATABASE_URL": self.database_url,
            "STADSNAV_MQTT_URL": f"mqtt://{hub}@127.0.0.1:{self.broker.port}",
            "STADSNAV_API_PORT": str(self.api_port),
            "STADSNAV_INGEST_MAX_BATCH": "500",
            "STADSNAV_MQTT_WINDOW": "1000",
            **self.settings,
        }

    @property
    def api(self):
        return f"http://127.0.0.1:{self.api_port}/api/v1"

    def child(self, *arguments):
        command = [sys.executable, "-m", "hub.cli", *arguments]
        return Child(arguments[0], command, self.folder / f"{arguments[0]}.log", env=self.env)

    @asynccontextmanager
    async def running(self, *arguments):
        child = self.child(*arguments)
        await child.start()
        try:
            yield child
        finally:
            await child.stop()

    async def run(self, *arguments):
        """Run a command to its end; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.env},
        )  # fmt: skip
        async with asyncio.timeout(30):
            out, _ = await process.communicate()
        return process.returncode, out.decode()

    def device(self, device, **options):
        """Return a connection to the broker as a device."""
        credentials = {"username": device, "password": self._make.device_password} | options
        return aiomqtt.Client("127.0.0.1", self.broker.port, identifier=device, **credentials)

    async def until_subscribed(self):
        log = self.folder / "ingest.log"

        async def subscribed():
            return log.exists() and "subscribed to" in log.read_text()

        await self._make.eventually(subscribed, 20)


@pytest.fixture
async def secure_system(tmp_path, database_url, secure_broker, secure, certificates, city, make):
    """A hub that signs in at its broker by certificate, and serves HTTPS."""
    system = System(tmp_path, database_url, secure_broker, make)
    own = certificates.pair(Kind.HUB, make.hub_user)
    served = certificates.pair(Kind.SERVER, "localhost")
    system.settings = {
        "STADSNAV_MQTT_URL": f"mqtts://127.0.0.1:{secure.mtls_port}",
        "STADSNAV_MQTT_CA_FILE": str(secure.authority),
        "STADSNAV_MQTT_CERTIFICATE_FILE": str(own.certificate),
        "STADSNAV_MQTT_KEY_FILE": str(own.key),
        "STADSNAV_API_CERTIFICATE_FILE": str(served.certificate),
        "STADSNAV_API_KEY_FILE": str(served.key),
    }
    return system


@pytest.fixture
async def system(tmp_path, database_url, broker, city, make):
    return System(tmp_path, database_url, broker, make)
