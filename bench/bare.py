"""The bare loop to compare with: receive, decode, acknowledge in batches, store nothing.

Run as a process of its own, as ingest is: `python -m bench.bare PORT COUNT`. Prints messages per
second, from the first message to the last.
"""

import asyncio
import sys
import time

import aiomqtt
import orjson

from bench.hub import PASSWORD, USER
from hub.embedded.network import HOST

CLIENT_ID = "bench-bare"
TOPIC = "v1/devices/+/readings"
BATCH = 500


def client(port: int, client_id: str) -> aiomqtt.Client:
    """Return a client with a persistent session."""
    return aiomqtt.Client(
        HOST, port, username=USER, password=PASSWORD, identifier=client_id, clean_session=False
    )


async def open_session(port: int, client_id: str, topic: str = TOPIC) -> None:
    """Let the broker keep messages for a subscriber that is not there yet."""
    async with client(port, client_id) as visitor:
        await visitor.subscribe(topic, qos=1)


async def end_session(port: int, client_id: str) -> None:
    """Let the broker forget a subscriber, and what it keeps for it."""
    async with aiomqtt.Client(
        HOST, port, username=USER, password=PASSWORD, identifier=client_id, clean_session=True
    ):
        pass


async def receive(port: int, count: int) -> float:
    """Return messages per second of a loop that does the least that a subscriber must do."""
    subscriber = client(port, CLIENT_ID)
    subscriber._client.manual_ack_set(True)  # noqa: SLF001  aiomqtt has no public way
    waiting, received, started = [], 0, 0.0
    async with subscriber:
        async for message in subscriber.messages:
            started = started or time.perf_counter()
            orjson.loads(message.payload)
            waiting.append(message)
            received += 1
            if len(waiting) == BATCH or received == count:
                for done in waiting:
                    subscriber._client.ack(done.mid, done.qos)  # noqa: SLF001
                waiting.clear()
            if received == count:
                return count / (time.perf_counter() - started)
    raise RuntimeError("the broker went away")


if __name__ == "__main__":
    print(asyncio.run(receive(int(sys.argv[1]), int(sys.argv[2]))))
