"""Does what the broker sends stay bounded here, in order, and accounted for?"""

import asyncio
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from connectors import mqtt
from connectors.mqtt import Broker, MqttSource
from hub.broker.access import acl_file, hash_password, password_file

TOPIC = "v1/devices/noise-1/readings"
LIMIT = 100_000


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(mqtt, "WAITING_BYTES", LIMIT)
    monkeypatch.setattr(mqtt, "QOS0_BYTES", LIMIT // 2)


@pytest.fixture
async def broker_folder(broker_folder, make):
    """One device may publish."""
    users = [("noise-1", hash_password(make.device_password))]
    hub = (make.hub_user, hash_password(make.hub_password))
    (broker_folder / "passwords").write_text(password_file(hub, users))
    (broker_folder / "acl").write_text(acl_file(make.hub_user))
    return broker_folder


@pytest.fixture
def source(broker, make):
    hub = Broker("127.0.0.1", broker.port, make.hub_user, make.hub_password)
    return MqttSource(hub, "v1/devices/+/readings", make.hub_user)


@asynccontextmanager
async def reading(source, make):
    """Yield the iterator over what arrives, once it has subscribed and given its first message."""
    deliveries = source.deliveries()
    first = asyncio.create_task(anext(deliveries))

    async def connected():
        return source.connected

    await make.eventually(connected)
    try:
        yield deliveries, first
    finally:
        first.cancel()
        await asyncio.wait([first])
        await deliveries.aclose()


@asynccontextmanager
async def device(broker, make):
    async with aiomqtt.Client(
        "127.0.0.1", broker.port, username="noise-1", password=make.device_password,
        identifier="noise-1",
    ) as client:  # fmt: skip
        client.pending_calls_threshold = 1_000
        yield client


async def publish(client, numbers, *, qos, size=1_000):
    async with asyncio.TaskGroup() as group:
        for number in numbers:
            payload = f"{number} ".encode().ljust(size, b".")
            group.create_task(client.publish(TOPIC, payload, qos=qos))


def number_of(delivery):
    return int(delivery.payload.split()[0])


async def test_what_nobody_takes_yet_waits_at_the_broker_and_comes_in_order(source, broker, make):
    count = 3_000  # of a kilobyte: thirty times what may wait here
    async with device(broker, make) as client, reading(source, make) as (deliveries, first):
        await publish(client, [0], qos=1)
        taken = await first
        taken.acknowledge()  # after it, Mosquitto 2.0.11 knows no window any more
        await publish(client, range(1, count), qos=1)
        assert LIMIT <= source._waiting_bytes < LIMIT + 2 * mqtt.RECEIVE_BYTES
        seen = [0]
        while len(seen) < count:
            delivery = await anext(deliveries)
            seen.append(number_of(delivery))
            delivery.acknowledge()
            assert source._waiting_bytes < LIMIT + 2 * mqtt.RECEIVE_BYTES
        assert seen == list(range(count))


async def test_a_connection_that_rests_is_not_given_up(source, broker, make, monkeypatch):
    async with device(broker, make) as client, reading(source, make) as (deliveries, first):
        await publish(client, range(300), qos=1)
        await first
        connection = source._connection
        monkeypatch.setattr(connection._client, "_keepalive", 1)
        pings = []
        ping = connection._client._send_pingreq
        monkeypatch.setattr(connection._client, "_send_pingreq", lambda: pings.append(1) or ping())

        async def pinged():  # and the broker's answers cannot be read
            return len(pings) > 2 or not connection.is_up

        await make.eventually(pinged)
        assert connection.is_up
        seen = [number_of(await anext(deliveries)) for _ in range(299)]
        assert seen == list(range(1, 300))
        assert source._connection is connection


async def test_acknowledgements_of_many_messages_reach_the_broker(source, broker, make):
    async with device(broker, make) as client:
        async with reading(source, make) as (deliveries, first):
            await publish(client, range(50), qos=1)
            (await first).acknowledge()
            for _ in range(49):
                (await anext(deliveries)).acknowledge()
            await asyncio.sleep(0)  # they leave at the end of the turn
        async with reading(source, make) as (deliveries, first):
            await publish(client, [50], qos=1)
            assert number_of(await first) == 50


async def test_qos_0_beyond_what_may_wait_is_dropped_and_counted(source, broker, make):
    count = 1_000
    async with device(broker, make) as client, reading(source, make) as (deliveries, first):
        await publish(client, range(count), qos=0)
        await publish(client, [count], qos=1)

        async def last_came():
            return source._queue.qsize() and number_of(source._queue._queue[-1]) == count

        await make.eventually(last_came)
        waiting = source._queue.qsize() + first.done()
        assert waiting + source.qos0_dropped_total == count + 1
        assert source.qos0_dropped_total > 0
        seen = [number_of(await first)] + [
            number_of(await anext(deliveries)) for _ in range(waiting - 1)
        ]
        assert seen == sorted(set(seen))
