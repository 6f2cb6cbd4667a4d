"""Does a real broker get what devices say, also what they said while it was away?"""

import asyncio
import json
import shutil
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import aiomqtt
import pytest

from simulators import publish, replay
from simulators.city import sample_city
from simulators.patterns import position, value
from simulators.recording import Recorded, read_csv

HOST = "127.0.0.1"
CITY = {device.id: device for device in sample_city().devices}
THREE = [CITY["bus-1"], CITY["noise-001"], CITY["parking-001"]]
PASSWORDS = {device.id: f"password of {device.id}" for device in THREE}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Broker:
    """A Mosquitto of this test's own, and what it logged."""

    def __init__(self, process):
        self.process = process
        self.log = []
        self.running = asyncio.Event()

    async def follow(self):
        async for line in self.process.stderr:
            self.log.append(line.decode())
            if self.log[-1].rstrip().endswith(" running"):
                self.running.set()


@asynccontextmanager
async def mosquitto(folder, port):
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin") or shutil.which(
        "mosquitto"
    )
    if binary is None:
        pytest.fail("mosquitto is not installed")
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} {HOST}\nallow_anonymous true\npersistence false\n")
    process = await asyncio.create_subprocess_exec(
        binary, "-c", str(config), stderr=asyncio.subprocess.PIPE
    )
    broker = Broker(process)
    following = asyncio.create_task(broker.follow(), name="mosquitto.log")
    try:
        async with asyncio.timeout(5):
            await broker.running.wait()
        yield broker
    finally:
        process.terminate()
        await process.wait()
        await following


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


@asynccontextmanager
async def listening(port):
    """Yield a function that returns the next so many messages as (topic, payload)."""
    async with aiomqtt.Client(HOST, port) as client:
        await client.subscribe("v1/devices/+/readings", qos=1)

        async def heard(count):
            async with asyncio.timeout(5):
                return [await read(client) for _ in range(count)]

        yield heard


async def read(client):
    message = await anext(client.messages)
    assert message.qos == 1
    return message.topic.value, json.loads(message.payload)


@asynccontextmanager
async def talking(port, tell, rate=100.0):
    task = asyncio.create_task(
        publish.run_city(THREE, PASSWORDS, host=HOST, port=port, rate=rate, tell=tell),
        name="city",
    )
    try:
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_each_device_talks_on_its_own_topic_over_its_own_connection(tmp_path, port):
    told = []
    async with (
        mosquitto(tmp_path, port) as broker,
        listening(port) as heard,
        talking(port, told.append),
    ):
        messages = await heard(30)
    assert {topic for topic, _ in messages} == {f"v1/devices/{id_}/readings" for id_ in PASSWORDS}
    assert told == ["3 devices connected"]
    for id_ in PASSWORDS:
        assert any(f"as {id_} " in line and f"u'{id_}'" in line for line in broker.log)


async def test_a_message_says_what_the_device_measures_at_its_time(tmp_path, port):
    async with mosquitto(tmp_path, port), listening(port) as heard, talking(port, print):
        messages = await heard(30)
    for topic, said in messages:
        device = CITY[topic.split("/")[2]]
        assert said["time"].endswith("Z")
        time = datetime.fromisoformat(said["time"])
        assert abs(datetime.now(UTC) - time) < timedelta(seconds=10)
        assert said["values"] == {name: value(device, name, time) for name in device.properties}
        assert said.get("position") == (list(position(device, time)) if device.moving else None)


async def test_what_was_said_while_the_broker_was_away_comes_with_its_own_time(
    tmp_path, port, monkeypatch
):
    tried = {id_: [] for id_ in PASSWORDS}
    plain = publish.connection

    def away_at_first(device, *args, **options):
        tried[device].append(datetime.now(UTC))
        if len(tried[device]) == 1:
            raise aiomqtt.MqttError("away")
        return plain(device, *args, **options)

    monkeypatch.setattr(publish, "connection", away_at_first)
    told, times = [], {id_: [] for id_ in PASSWORDS}
    async with (
        mosquitto(tmp_path, port),
        listening(port) as heard,
        talking(port, told.append, rate=200.0),  # the longest interval is 60 ms, the wait 250 ms
    ):
        while not all(times.values()):
            [(topic, said)] = await heard(1)
            times[topic.split("/")[2]].append(datetime.fromisoformat(said["time"]))
    assert all(times[id_][0] < tried[id_][1] for id_ in PASSWORDS)
    assert all(said == sorted(said) for said in times.values())
    assert told[0].endswith("is not connected (away); trying again")
    assert told[1:] == ["3 devices connected"]


async def test_a_broker_that_restarts_is_found_again(tmp_path, port, monkeypatch):
    monkeypatch.setattr(publish, "RECONNECT_FIRST_S", 0.05)
    told = []
    async with talking(port, told.append):
        for _ in range(2):
            async with mosquitto(tmp_path, port), listening(port) as heard:
                assert len(await heard(10)) == 10
    assert any("is not connected" in line for line in told)


async def test_a_recording_is_replayed_whole_and_in_order(tmp_path, port, monkeypatch):
    monkeypatch.setattr(replay, "TELL_EVERY_S", 0.0)
    path = tmp_path / "speed.csv"
    minutes = [n // 2 for n in range(50)]  # every time twice
    path.write_text(
        "timestamp,value\n"
        + "".join(f"2015-09-01 13:{m:02}:00,{n}\n" for n, m in enumerate(minutes))
    )
    told = []
    async with mosquitto(tmp_path, port), listening(port) as heard:
        report = await replay.replay(
            read_csv(path, ZoneInfo("America/Chicago")),
            device="detector-6005",
            property_id="vehicle_speed",
            host=HOST,
            port=port,
            username="detector-6005",
            password="secret",
            speed=None,
            shift_to_now=False,
            window=40,
            tell=told.append,
        )
        messages = await heard(50)
    assert (report.sent, report.acknowledged) == (50, 50)
    assert {topic for topic, _ in messages} == {"v1/devices/detector-6005/readings"}
    assert [said["values"]["vehicle_speed"] for _, said in messages] == list(range(50))
    assert [said["time"] for _, said in messages] == [f"2015-09-01T18:{m:02}:00Z" for m in minutes]
    assert all(line.endswith(" of 50 readings acknowledged") for line in told)


def arguments(port, **others):
    return {
        "device": "d-1",
        "property_id": "p",
        "host": HOST,
        "port": port,
        "username": "d-1",
        "password": "secret",
        "tell": print,
        **others,
    }


async def test_no_more_than_the_window_waits_for_an_acknowledgement(tmp_path, port, monkeypatch):
    flying, most = 0, 0
    plain = aiomqtt.Client.publish

    async def watched(self, *args, **kwargs):
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await plain(self, *args, **kwargs)
        flying -= 1

    monkeypatch.setattr(aiomqtt.Client, "publish", watched)
    records = [Recorded(NOON + timedelta(seconds=n), n) for n in range(200)]
    async with mosquitto(tmp_path, port), listening(port) as heard:
        report = await replay.replay(records, **arguments(port, window=30, per_message=2))
        messages = await heard(100)
    assert (report.acknowledged, most) == (200, 30)
    assert all(len(said) == 2 for _, said in messages)


async def test_a_broker_that_is_not_there_is_an_error(port):
    with pytest.raises(aiomqtt.MqttError):
        await replay.replay([Recorded(NOON, 1.0)], **arguments(port))


async def test_a_broker_that_never_acknowledges_is_one_error(tmp_path, port, monkeypatch):
    async def unanswered(*_, **__):
        raise aiomqtt.MqttError("Operation timed out")

    monkeypatch.setattr(aiomqtt.Client, "publish", unanswered)
    records = [Recorded(NOON, float(n)) for n in range(20)]
    async with mosquitto(tmp_path, port):
        with pytest.raises(aiomqtt.MqttError, match="timed out"):
            await replay.replay(records, **arguments(port))
