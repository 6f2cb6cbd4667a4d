"""From one organisation's device to another organisation's application, through the commands."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


# Loop detectors, travel times and a failing thermometer: gaps, repeats and disorder included.
RECORDED = [
    "speed_6005", "speed_7578", "speed_t4013", "occupancy_6005", "occupancy_t4013",
    "TravelTime_387", "TravelTime_451", "ambient_temperature",
]  # fmt: skip


@pytest.fixture
async def running(system, make):
    async with system.running("ingest"), system.running("api"):
        await system.until_subscribed()

        async def ready():
            try:
                async with httpx.AsyncClient() as http:
                    answer = await http.get(f"http://127.0.0.1:{system.api_port}/readyz")
                    return answer.status_code == 200
            except httpx.TransportError:
                return False

        await make.eventually(ready)
        await make.eventually(lambda: device_known(system))
        yield system


async def device_known(system):
    return "noise-1:" in system.broker.passwords.read_text()


def as_(city, organisation):
    return {"Authorization": f"Bearer {city.keys[organisation]}"}


async def test_a_device_publishes_and_another_organisation_sees_it(running, city, make):
    async with httpx.AsyncClient(headers=as_(city, "traffic"), timeout=10) as http:
        async with (
            http.stream("GET", f"{running.api}/feeds/noise/stream") as stream,
            running.device("noise-1") as device,
        ):
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            body = json.dumps({"time": make.noon.isoformat(), "values": {"laeq": 61.5}})
            await device.publish("v1/devices/noise-1/readings", body, qos=1)
            async with asyncio.timeout(10):
                async for line in lines:
                    if line.startswith("data: ["):
                        break
        [row] = json.loads(line[6:])
        assert (row["device"], row["value"], row["unit"]) == ("noise-1", 61.5, "dB[SPL]")
        answer = await http.get(f"{running.api}/feeds/noise/latest")
        assert answer.json()["readings"] == [row]
    async with httpx.AsyncClient(headers=as_(city, "stranger")) as http:
        assert (await http.get(f"{running.api}/feeds/noise/latest")).status_code == 404


def write_recording(path, rows=1500):
    """Write an irregular recording with a gap and a value out of order."""
    start = datetime(2015, 9, 1, 13, 45)  # noqa: DTZ001  recorded without offset
    times = [start + timedelta(minutes=5 * n + (n > 700) * 600) for n in range(rows)]
    times[10], times[11] = times[11], times[10]
    lines = [f"{time:%Y-%m-%d %H:%M:%S},{30 + n % 40}" for n, time in enumerate(times)]
    path.write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    return rows


async def replayed(running, city, make, file, distinct, *options):
    code, told = await running.run(
        "simulate", "replay", str(file), "--device", "noise-1", "--property", "no2",
        "--password", make.device_password, "--port", str(running.broker.port),
        "--timezone", "America/Chicago", *options,
    )  # fmt: skip
    assert code == 0, told
    async with httpx.AsyncClient(headers=as_(city, "environment"), timeout=30) as http:

        async def read_back():
            url = (f"{running.api}/feeds/noise/readings?property=no2&limit=1000"
                   "&from=2010-01-01T00:00:00Z")  # fmt: skip
            rows = []
            while url:
                page = (await http.get(url)).raise_for_status().json()
                rows, url = rows + page["readings"], page["next"]
            return rows if len(rows) >= distinct else None

        rows = await make.eventually(read_back, 30)
    return told, rows


@pytest.mark.parametrize("options", [(), ("--per-message", "50")], ids=["single", "lists"])
async def test_a_recording_is_replayed_and_read_back_complete(
    running, city, make, tmp_path, options
):
    count = write_recording(tmp_path / "speed.csv")
    told, rows = await replayed(running, city, make, tmp_path / "speed.csv", count, *options)
    assert f"{count} of {count} readings acknowledged" in told
    assert len(rows) == count
    assert rows[0]["time"] == "2015-09-01T18:45:00Z"
    assert sum(row["value"] for row in rows) == sum(30 + n % 40 for n in range(count))


@pytest.mark.recorded
@pytest.mark.parametrize("name", RECORDED)
async def test_real_recorded_data_is_read_back_complete(running, city, make, name):
    file = Path(os.environ["STADSNAV_TEST_RECORDED"]) / f"{name}.csv"
    lines = file.read_text().splitlines()[1:]
    chicago, first = ZoneInfo("America/Chicago"), {}
    for line in lines:  # an instant that comes twice is stored once, as it came first
        time, value = line.split(",")
        instant = datetime.fromisoformat(time).replace(tzinfo=chicago).astimezone(UTC)
        first.setdefault(instant, float(value))
    _, rows = await replayed(running, city, make, file, len(first))
    assert {datetime.fromisoformat(row["time"]): row["value"] for row in rows} == first


async def test_a_bad_recording_is_told_by_file_and_line(system, tmp_path, make):
    (tmp_path / "bad.csv").write_text("timestamp,value\n2015-09-01 13:45:00,1\nnever,2\n")
    code, told = await system.run(
        "simulate", "replay", str(tmp_path / "bad.csv"), "--device", "noise-1", "--property",
        "no2", "--password", "x", "--port", str(system.broker.port),
    )  # fmt: skip
    assert code == 2
    assert "bad.csv, line 3" in told


@pytest.mark.parametrize(("port", "password"), [("1", "x"), (None, "wrong")])
async def test_a_broker_that_is_away_or_refuses_is_one_clear_line(system, port, password):
    code, told = await system.run(
        "simulate", "send", "noise-1", "{}", "--password", password,
        "--port", port or str(system.broker.port),
    )  # fmt: skip
    assert code == 1
    assert "the broker at 127.0.0.1" in told
    assert "Traceback" not in told


async def test_status_and_audit_say_what_became_of_everything(running, db, make):
    async with running.device("noise-1") as device:
        for body in ('{"values": {"laeq": 50}}', "{"):
            await device.publish("v1/devices/noise-1/readings", body, qos=1)

    async def counted():
        return await db.fetchval("select received >= 2 from connector where id = 'mqtt'")

    await make.eventually(counted)
    code, told = await running.run("status")
    assert code == 0, told
    assert "not_json" in told
    assert "stadsnav-ingest" in told
    code, told = await running.run("audit-ledger")
    assert code == 0, told
    assert "received 2 = stored 1 + duplicates 0 + rejected 1" in told
    await db.execute("update batch set rejected = 0, duplicates = duplicates + rejected")
    code, told = await running.run("audit-ledger")
    assert code == 1
    assert "does not add up" in told


async def test_what_was_rejected_is_replayed_once_its_cause_is_mended(running, db, make):
    async with running.device("noise-2") as device:
        for number in range(300):
            at = make.noon + timedelta(seconds=number)
            body = {"time": at.isoformat(), "values": {"laeq": 50, "no2": number}}
            await device.publish("v1/devices/noise-2/readings", json.dumps(body), qos=1)
        await device.publish("v1/devices/noise-2/readings", b"{", qos=1)

    async def counted():
        return await db.fetchval("select received = 601 from connector where id = 'mqtt'")

    await make.eventually(counted)
    assert await db.fetchval("select sum(readings) from rejection") == 301
    replaying = ("admin", "rejection", "replay", "--device", "noise-2")
    code, told = await running.run(*replaying)
    assert code == 0, told
    assert "301 messages replayed: 0 readings stored, 300 duplicates, 301 rejected again" in told

    await db.execute("insert into datastream (device, property) values ('noise-2', 'no2')")
    code, told = await running.run(*replaying, "--reason", "unknown_property")
    assert "300 messages replayed: 300 readings stored, 300 duplicates, 0 rejected" in told
    code, told = await running.run(*replaying, "--reason", "unknown_property")
    assert "nothing to replay" in told
    assert await db.fetchval("select count(*) from reading") == 600
    assert await db.fetchval("select array_agg(reason) from rejection") == ["not_json"]
    code, told = await running.run("audit-ledger")
    assert code == 0, told
    code, told = await running.run("admin", "rejection", "forget", "--before", "2099-01-01")
    assert "1 rejections deleted" in told


async def test_doctor_says_what_is_good_and_what_to_do(running):
    code, told = await running.run("doctor")
    assert code == 0, told
    assert "ok    broker: accepts the hub" in told
    assert "ok    schema: up to date" in told
    running.broker.child.signal(2)
    await running.broker.child.wait()
    code, told = await running.run("doctor")
    assert code == 1
    assert "BAD   broker" in told
    assert "→ start it" in told


COMMANDS = [
    [], ["up"], ["migrate"], ["ingest"], ["api"], ["doctor"], ["status"], ["audit-ledger"],
    ["simulate"], ["simulate", "city"],
    ["simulate", "send"], ["simulate", "replay"], ["admin"], ["admin", "organisation", "create"],
    ["admin", "device", "create"], ["admin", "property", "create"], ["admin", "feed", "create"],
    ["admin", "agreement", "create"], ["admin", "application", "create"],
    ["admin", "key", "create"], ["admin", "connector", "rule"],
    ["admin", "rejection", "list"], ["admin", "rejection", "replay"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_helps(command):
    from typer.testing import CliRunner  # noqa: PLC0415

    from hub.cli import app  # noqa: PLC0415

    told = CliRunner().invoke(app, [*command, "--help"])
    assert told.exit_code == 0
    assert "Usage" in told.output


async def test_an_admin_makes_a_feed_and_shares_it(running, make):
    async def admin(*arguments):
        code, told = await running.run("admin", *arguments)
        assert code == 0, told
        return told

    await admin("organisation", "create", "parks", "--name", "Parks")
    await admin("property", "create", "moisture", "--name", "Soil moisture", "--unit", "%")
    told = await admin(
        "device", "create", "tree-1", "--organisation", "parks", "--property", "moisture",
        "--kind", "tree", "--position", "17.95,59.45",
    )  # fmt: skip
    password = told.split("password")[1].split()[0]
    told = await admin(
        "feed", "create", "trees", "--organisation", "parks", "--title", "Trees", "--kind", "tree"
    )
    assert "1 datastreams" in told
    await admin(
        "agreement", "create", "trees", "traffic", "--purpose", "p", "--legal-basis", "b",
        "--finest-resolution", "PT15M",
    )  # fmt: skip
    await admin("application", "create", "parks-app", "--organisation", "parks")
    key = (await admin("key", "create", "parks-app")).split()[0]
    code, told = await running.run(
        "simulate", "send", "tree-1", '{"values": {"moisture": 31}}', "--password", password,
        "--port", str(running.broker.port),
    )  # fmt: skip
    assert code == 0, told
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:

        async def there():
            return (await http.get(f"{running.api}/feeds/trees/latest")).json()["readings"]

        [row] = await make.eventually(there)
    assert row["value"] == 31.0
    assert datetime.fromisoformat(row["time"]) > datetime.now(UTC) - timedelta(minutes=1)
    for noun in ("organisation", "property", "device", "feed", "agreement", "key"):
        assert await admin(noun, "list")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["organisation", "create", "environment", "--name", "x"], "exists already"),
        (["organisation", "create", "Ö", "--name", "x"], "not a valid id"),
        (["device", "create", "d-1", "--organisation", "nobody", "--property", "laeq"],
         "no organisation 'nobody'"),
        (["device", "create", "d-1", "--organisation", "environment", "--property", "gold"],
         "gold"),
        (["device", "create", "d-1", "--organisation", "environment", "--property", "laeq",
          "--position", "59,170"], "longitude"),
        (["feed", "create", "f", "--organisation", "nobody", "--title", "x"], "nobody"),
        (["agreement", "create", "noise", "traffic", "--purpose", "p", "--legal-basis", "b"],
         "active agreement"),
        (["agreement", "create", "noise", "public", "--purpose", "p", "--legal-basis", "b",
          "--delay", "soon"], "PT15M"),
        (["key", "create", "nothing"], "no application"),
        (["key", "revoke", "nothing"], "no key"),
        (["device", "password", "nothing"], "no device"),
    ],
)  # fmt: skip
async def test_what_an_admin_gets_wrong_is_one_clear_line(system, arguments, told):
    code, out = await system.run("admin", *arguments)
    assert code == 2
    assert told in " ".join(out.split())
    assert "Traceback" not in out
