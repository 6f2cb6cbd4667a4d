"""Means over groups: right, never of too few, and never cut in two."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.durations import bucket_floor

WIDTH = timedelta(minutes=15)
READINGS = "/api/v1/feeds/noise/readings"
SINCE = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def metered(db, city, make):
    """Readings of three meters and a bus; in some buckets of two devices only."""
    chosen = random.Random(3)  # noqa: S311
    rows = []
    for device in ("noise-1", "noise-2", "noise-3", "bus-1"):
        stream = city.streams[device, "laeq"]
        for bucket in range(40):
            if device in ("noise-3", "bus-1") and bucket % 4 == 0:
                continue
            for _ in range(chosen.randrange(1, 5)):
                at = SINCE + bucket * WIDTH + timedelta(seconds=chosen.randrange(900))
                rows.append((device, stream, at, chosen.uniform(30, 90)))
    rows = list(
        {(stream, at): (device, stream, at, value) for device, stream, at, value in rows}.values()
    )
    await make.store_readings(
        db, *(make.reading(stream, at, value) for _, stream, at, value in rows)
    )
    await db.execute("delete from agreement where consumer = 'traffic'")
    await make.agree(db, "noise", "traffic", finest_resolution=WIDTH, min_group=3)
    return rows


def expected(rows, least):
    """The mean of the devices' means of each bucket with enough of them."""
    buckets = defaultdict(lambda: defaultdict(list))
    for device, _, at, value in rows:
        buckets[bucket_floor(at, WIDTH)][device].append(value)
    return {
        at: (
            sum(sum(v) / len(v) for v in devices.values()) / len(devices),
            sum(len(v) for v in devices.values()),
        )
        for at, devices in buckets.items()
        if len(devices) >= least
    }


@pytest.fixture
def ask(http, city):
    async def ask(path=READINGS, **asked):
        headers = {"Authorization": f"Bearer {city.keys['traffic']}"}
        asked = {"from": SINCE.isoformat(), "to": (SINCE + timedelta(days=1)).isoformat()} | asked
        return await http.get(path, params=asked, headers=headers)

    return ask


async def test_means_are_over_devices_and_never_of_too_few(metered, ask):
    told = (await ask(property="laeq", limit=1000)).json()["readings"]
    found = {datetime.fromisoformat(row["time"]): (row["mean"], row["count"]) for row in told}
    wanted = expected(metered, 3)
    assert found.keys() == wanted.keys()
    assert 20 < len(found) < 40  # some were left out
    for at, (mean, count) in wanted.items():
        assert found[at] == (pytest.approx(mean), count)
    assert {row["device"] for row in told} == {"*"}
    assert {row["min"] for row in told} == {row["max"] for row in told} == {None}


async def test_pages_follow_one_another(metered, ask, http, city):
    whole = (await ask(property="laeq", limit=1000)).json()["readings"]
    rows, answer = [], await ask(property="laeq", limit=7)
    while True:
        told = answer.json()
        rows += told["readings"]
        if told["next"] is None:
            break
        headers = {"Authorization": f"Bearer {city.keys['traffic']}"}
        answer = await http.get(told["next"], headers=headers)
    assert len(rows) == len(whole)
    for row, other in zip(rows, whole, strict=True):
        assert row | {"mean": pytest.approx(row["mean"])} == other


async def test_no_device_shows_anywhere(metered, ask):
    for path in ("datastreams", "latest", "readings"):
        for form in ("json", "csv", "geojson") if path != "datastreams" else ("json",):
            answer = await ask(f"/api/v1/feeds/noise/{path}", format=form)
            assert answer.status_code == 200
            assert "noise-1" not in answer.text
            assert "bus-1" not in answer.text
    told = (await ask("/api/v1/feeds/noise/datastreams")).json()["datastreams"]
    assert [(one["device"], one["position"]) for one in told] == [("*", None)] * len(told)


@pytest.mark.parametrize(
    "asked",
    [
        {"bbox": "17,59,18,60"}, {"datastream": "1"}, {"resolution": "PT30M"},
        {"resolution": "P1D"}, {"resolution": "raw"}, {"resolution": "PT1M"},
        {"resolution": "P1D", "timezone": "Europe/Stockholm"},
    ],
    ids=str,
)  # fmt: skip
async def test_what_would_cut_a_group_in_two_is_refused(metered, ask, asked):
    """PT30M minus PT15M would be the other PT15M, which may have had too few."""
    answer = await ask(**asked)
    assert answer.status_code == 403, answer.text


async def test_there_is_no_stream_of_groups(metered, ask):
    assert (await ask("/api/v1/feeds/noise/stream")).status_code == 403


async def test_the_newest_bucket_has_enough_of_them_too(metered, db, make, city, ask):
    now = datetime.now(UTC)
    closed = bucket_floor(now, WIDTH) - WIDTH
    for number, device in enumerate(("noise-1", "noise-2", "noise-3")):
        stream = city.streams[device, "laeq"]
        await make.store_readings(db, make.reading(stream, closed, float(number)))
    fewer = city.streams["noise-1", "laeq"]
    await make.store_readings(db, make.reading(fewer, closed + WIDTH, 99.0))
    told = (await ask("/api/v1/feeds/noise/latest", property="laeq")).json()["readings"]
    [row] = told
    assert row["mean"] == 1.0
    assert datetime.fromisoformat(row["time"]) == closed


async def test_the_owner_sees_everything_all_the_same(metered, http, city):
    headers = {"Authorization": f"Bearer {city.keys['environment']}"}
    answer = await http.get("/api/v1/feeds/noise/datastreams", headers=headers)
    assert "noise-1" in answer.text
