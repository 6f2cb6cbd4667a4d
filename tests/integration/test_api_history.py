"""Do callers get local days, every aggregate, and word of what is kept no longer?"""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from hub.commands import forgetting
from hub.domain.durations import bucket_floor
from hub.domain.retention import FOR_EVER, Kept
from hub.storage import retention

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
READINGS = "/api/v1/feeds/noise/readings"


def as_(key):
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def ask(http, city):
    async def get(reader="traffic", **query):
        return await http.get(READINGS, params=query, headers=as_(city.keys[reader]))

    return get


@pytest.fixture
async def stored(db, city, make):
    """A reading every half hour over the day that has 25 hours in Stockholm, value = its number."""
    start = datetime(2025, 10, 25, 22, tzinfo=UTC)
    stream = city.streams["noise-1", "laeq"]
    await make.store_readings(
        db,
        *(make.reading(stream, start + n * HOUR / 2, float(n), quality=n % 2) for n in range(52)),
    )
    return start


async def test_a_local_day_has_25_hours(ask, stored):
    until = stored + 25 * HOUR
    answer = await ask(
        resolution="P1D", timezone="Europe/Stockholm", aggregate="count,sum,first,last,good",
        **{"from": stored.isoformat(), "to": until.isoformat()},
    )  # fmt: skip
    body = answer.json()
    assert (body["timezone"], body["source"], body["missing"]) == ("Europe/Stockholm", "hour", [])
    assert (body["from"], body["to"]) == ("2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z")
    [day] = body["readings"]
    assert day["time"] == "2025-10-25T22:00:00Z"
    assert [day[name] for name in ("count", "sum", "first", "last", "good")] == [
        50, sum(range(50)), 0, 49, 25,
    ]  # fmt: skip
    assert "mean" not in day


async def test_pages_keep_the_time_zone(ask, http, city, stored):
    answer = await ask(
        resolution="P1D", timezone="Europe/Stockholm", limit=1,
        **{"from": stored.isoformat(), "to": (stored + 2 * DAY).isoformat()},
    )  # fmt: skip
    following = await http.get(answer.json()["next"], headers=as_(city.keys["traffic"]))
    assert following.json()["timezone"] == "Europe/Stockholm"
    assert [row["time"] for row in following.json()["readings"]] == ["2025-10-26T23:00:00Z"]


@pytest.mark.parametrize(
    ("query", "told"),
    [({"timezone": "Stockholm", "resolution": "P1D"}, "IANA"),
     ({"timezone": "../../etc/passwd", "resolution": "P1D"}, "IANA"),
     ({"timezone": "Europe/Stockholm"}, "P1D"),
     ({"timezone": "Europe/Stockholm", "resolution": "PT1H"}, "P1D"),
     ({"aggregate": "median", "resolution": "PT1H"}, "first, last")],
)  # fmt: skip
async def test_what_makes_no_sense_is_told_with_what_would(ask, query, told):
    answer = await ask(**query)
    assert answer.status_code == 400
    assert told in answer.json()["detail"]


async def test_what_is_kept_no_longer_is_told_with_what_to_ask_for(ask, db, city, make):
    now = datetime.now(UTC)
    stream, first = city.streams["noise-1", "laeq"], bucket_floor(now - 6 * DAY, HOUR)
    await make.store_readings(
        db, *(make.reading(stream, first + n * HOUR, float(n)) for n in range(6 * 24))
    )
    await retention.set_rule(db, "laeq", {**FOR_EVER, Kept.RAW: 2 * DAY})
    await forgetting.forget_history(db)
    since = (first - HOUR).isoformat()
    raw = (await ask(**{"from": since}, resolution="raw")).json()
    [lost] = raw["missing"]
    assert (lost["property"], lost["ask"]) == ("laeq", "PT1M")
    assert lost["before"] <= raw["readings"][0]["time"]
    by_minute = (await ask(**{"from": since}, resolution=lost["ask"])).json()
    assert (by_minute["missing"], len(by_minute["readings"])) == ([], 6 * 24)


async def test_retention_is_set_shown_and_removed_on_the_command_line(db, city, database_url):
    async def run(*arguments):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hub.cli", "admin", "retention", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "STADSNAV_DATABASE_URL": database_url},
        )  # fmt: skip
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    assert await run("set", "laeq", "--raw", "P30D", "--minute", "P730D") == (
        0, "laeq: raw P30D, minute P730D, hour forever, day forever\n",
    )  # fmt: skip
    assert (await run("set", "--raw", "P90D"))[0] == 0
    code, told = await run("set", "laeq", "--minute", "P7D")
    assert code == 2
    assert "minute (P7D) must be kept at least as long as raw (P30D)" in told
    code, told = await run("set", "nothing", "--raw", "P30D")
    assert (code, "no observed property 'nothing'" in told) == (2, True)
    code, told = await run("set", "laeq", "--raw", "a month")
    assert (code, "forever" in told) == (2, True)
    shown = (await run("show"))[1].splitlines()
    assert any(line.split()[:3] == ["laeq", "raw", "P30D"] for line in shown)
    assert any(line.split()[:3] == ["no2", "raw", "P90D"] for line in shown)
    assert await run("unset", "laeq") == (0, "laeq: no rule\n")
    assert list(await retention.rules(db)) == [None]
    audited = await db.fetch("select action, subject from audit_event order by position")
    assert [tuple(row) for row in audited] == [
        ("retention.set", "retention/laeq"), ("retention.set", "retention/*"),
        ("retention.unset", "retention/laeq"),
    ]  # fmt: skip
