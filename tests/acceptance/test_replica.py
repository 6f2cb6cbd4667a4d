"""A primary, a streaming replica, and the API between them."""

import asyncio
import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hub.embedded import postgres
from hub.storage.migrate import migrate
from hub.storage.pool import connect

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

BOUND_S = 2


async def copy_of(primary_url, data, log):
    """Copy a running primary, ready to follow it."""
    sockets = parse_qs(urlsplit(primary_url).query)["host"][0]
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(data, postgres.UNPRIVILEGED)
    process = await asyncio.create_subprocess_exec(
        *postgres._unprivileged(), str(postgres.binaries() / "pg_basebackup"),
        "-h", sockets, "-U", postgres.USER, "-D", str(data), "-R", "-X", "stream", "-c", "fast",
    )  # fmt: skip
    assert await process.wait() == 0, log


@pytest.fixture
async def pair(tmp_path, make):
    """Primary and replica with the tests' city, as (URL, process) each, and the keys."""
    folder = tmp_path
    async with postgres.running(folder / "primary", folder / "primary.log") as primary:
        async with connect(primary[0]) as db:
            await migrate(db)
            known = await make.register_city(db)
            await make.store_readings(
                db, make.reading(known.streams["noise-1", "laeq"], recently(), 41.0)
            )
        await copy_of(primary[0], folder / "replica", folder / "replica.log")
        async with postgres.running(folder / "replica", folder / "replica.log") as replica:
            yield primary, replica, known


def recently():
    return datetime.now(UTC) - timedelta(minutes=5)


@pytest.fixture
async def api(system, pair):
    (primary, _), (replica, _), known = pair
    system.database_url = primary
    system.settings = {
        "STADSNAV_DATABASE_REPLICA_URL": replica,
        "STADSNAV_DATABASE_REPLICA_LAG_S": str(BOUND_S),
    }
    headers = {"Authorization": f"Bearer {known.keys['traffic']}"}
    async with (
        system.running("api"),
        httpx.AsyncClient(base_url=system.api, headers=headers, timeout=20) as client,
    ):
        yield client


async def value_of(api):
    """Return the newest value of noise-1, None while the API cannot say."""
    try:
        answer = await api.get("/feeds/noise/latest?property=laeq")
    except httpx.TransportError:
        return None
    rows = answer.json().get("readings", [])
    return next((row["value"] for row in rows if row["device"] == "noise-1"), None)


async def metric(api, name):
    """Return a metric's value, None while it is not there."""
    try:
        text = (await api.get(str(api.base_url).replace("/api/v1/", "/metrics"))).text
    except httpx.TransportError:
        return None
    return next(
        (float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), None
    )


async def test_rows_come_from_a_replica_that_is_close_and_from_the_primary_otherwise(
    api, pair, make
):
    (primary_url, _), (replica_url, replica), known = pair
    stream = known.streams["noise-1", "laeq"]

    async def is_used(expected):
        return await metric(api, "stadsnav_replica_used") == expected

    await make.eventually(lambda: is_used(1.0))
    assert await value_of(api) == 41.0

    # The replica stands still: within the bound it is asked, beyond it the primary is.
    async with connect(replica_url) as db:
        await db.execute("select pg_wal_replay_pause()")
    async with connect(primary_url) as db:
        await make.store_readings(db, make.reading(stream, datetime.now(UTC), 42.0))
    assert await value_of(api) == 41.0  # it was really the replica that was asked

    async def newest(expected):
        return await value_of(api) == expected

    await make.eventually(lambda: newest(42.0))
    await make.eventually(lambda: is_used(0.0))
    assert await metric(api, "stadsnav_replica_lag_seconds") > BOUND_S

    # Rights are looked up at the primary, whatever the replica knows.
    async with connect(primary_url) as db:
        await db.execute("update agreement set state = 'revoked' where consumer = 'traffic'")
    assert (await api.get("/feeds/noise/latest")).status_code == 404
    async with connect(primary_url) as db:
        await db.execute("update agreement set state = 'active' where consumer = 'traffic'")

    # It catches up, and is used again.
    async with connect(replica_url) as db:
        await db.execute("select pg_wal_replay_resume()")
    await make.eventually(lambda: is_used(1.0))

    # It is killed: the API goes on.
    os.kill(replica.pid, signal.SIGKILL)
    await make.eventually(lambda: newest(42.0))
    await make.eventually(lambda: is_used(0.0))
    assert await value_of(api) == 42.0


async def test_a_right_that_ends_ends_at_once_even_while_the_replica_is_behind(api, pair, make):
    (primary_url, _), (replica_url, _), _known = pair

    async def is_served():
        return await value_of(api) == 41.0

    await make.eventually(is_served)
    async with connect(replica_url) as db:
        await db.execute("select pg_wal_replay_pause()")
    async with connect(primary_url) as db:
        await db.execute("update agreement set state = 'revoked' where consumer = 'traffic'")
    assert (await api.get("/feeds/noise/latest")).status_code == 404
