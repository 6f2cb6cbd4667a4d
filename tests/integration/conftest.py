"""The API over a real database, asked in process."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import pytest

from connectors.routing import Route, Router
from hub.api.app import create_app
from hub.api.context import Hub
from hub.broker.access import hash_password, is_password, new_password
from hub.commands.keeping import RegistryKeeper, quarantine
from hub.commands.receiving import CONNECTOR, HttpReceiver
from hub.commands.replaying import Replayer
from hub.domain.intake import Limits
from hub.fleet.guessing import Guesses
from hub.ingest.examining import Examiner
from hub.storage.bell import BATCH, RIGHTS, Bells
from hub.storage.ledger import Ledger
from hub.storage.pool import open_store
from hub.storage.replica import Replica
from hub.storage.rights import Role

PAYLOAD_BYTES = 4096


@pytest.fixture
async def bells():
    return Bells()


@pytest.fixture
async def hub_of(database_url, city, bells):
    """Make a hub over this test's database; keyword arguments change its settings.

    With the rights that the API's own connections have.
    """
    async with (
        open_store(database_url, role=Role.API) as store,
        open_store(database_url, size=4, role=Role.INGEST) as intake,
    ):
        yield await _maker_of_hubs(store, intake, bells)


async def _maker_of_hubs(store, intake, bells):
    keeper = RegistryKeeper(intake, CONNECTOR)
    await keeper.load()
    router = Router([Route("v1/devices/+/readings", "native")], Limits(PAYLOAD_BYTES, 100))
    examiner = Examiner(router)

    def make_hub(**settings):
        plain = {
            "payload_bytes": PAYLOAD_BYTES, "max_limit": 1000, "stream_s": 30,
            "secure_cookies": False, "version": "test", "guesses": Guesses(5),
            "replica": Replica(store, None, 5), "quarantine": partial(quarantine, intake),
        }  # fmt: skip
        return Hub(
            store=store,
            news=bells.on(BATCH, RIGHTS),
            rights=bells.on(RIGHTS),
            receive=HttpReceiver(keeper, Ledger(intake), examiner, router).receive,
            replay=Replayer(intake, examiner).step,
            check_password=is_password,
            new_password=new_password,
            hash_password=hash_password,
            **(plain | settings),
        )

    return make_hub


@pytest.fixture
async def hub(hub_of, bells, database_url):
    hub = hub_of()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bells.listen(database_url))
        yield hub
        task.cancel()


@pytest.fixture
async def asking():
    """Make clients of hubs."""
    async with AsyncExitStack() as stack:

        async def client_of(hub):
            transport = httpx.ASGITransport(create_app(hub), raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://hub")
            return await stack.enter_async_context(client)

        yield client_of


@pytest.fixture
async def http(hub, asking):
    return await asking(hub)


@pytest.fixture
async def noon_readings(db, city, make):
    """A reading a minute for the last two hours of each noise device, and one of the bus."""
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        make.reading(city.streams[name], now - timedelta(minutes=minute), 40.0 + minute / 10)
        for name in [("noise-1", "laeq"), ("noise-1", "no2"), ("noise-2", "laeq"),
                     ("private-1", "laeq")]
        for minute in range(120)
    ]  # fmt: skip
    bus = make.reading(city.streams["bus-1", "laeq"], now, lon=17.951234, lat=59.456789)
    status = make.reading(city.streams["noise-3", "status"], now, None, text="=open,\n")
    await make.store_readings(db, *rows, bus, status)
    return now
