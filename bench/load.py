"""Publish at a steady rate from a process of its own: `python -m bench.load PORT RATE DEVICES`."""

import asyncio
import sys
import time
from datetime import UTC, datetime

from bench.bare import client
from bench.hub import PROPERTY, device_id

CONNECTIONS = 4


def payload(value: float) -> bytes:
    """Return a reading of this moment."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return f'{{"time": "{now}", "values": {{"{PROPERTY}": {value}}}}}'.encode()


async def talk(port: int, rate: float, devices: range) -> None:
    """Publish as these devices in turn, `rate` messages per second together, until cancelled."""
    started, sent = time.perf_counter(), 0
    async with client(port, f"bench-load-{devices.start}") as connection:
        while True:
            topic = f"v1/devices/{device_id(devices[sent % len(devices)])}/readings"
            await connection.publish(topic, payload(sent % 500), qos=1)
            sent += 1
            await asyncio.sleep(max(0.0, started + sent / rate - time.perf_counter()))


async def main(port: int, rate: float, devices: int) -> None:
    share = devices // CONNECTIONS
    async with asyncio.TaskGroup() as group:
        for number in range(CONNECTIONS):
            own = range(number * share, (number + 1) * share)
            group.create_task(talk(port, rate / CONNECTIONS, own), name=f"talk.{number}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
