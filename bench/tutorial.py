"""The way of the tutorials, to compare with: one INSERT and one commit per message.

Run as a process of its own: `python -m bench.tutorial MQTT_PORT DATABASE_URL COUNT`. Prints
messages per second, from the first message to the last commit.
"""

import json
import sys
import time
from datetime import datetime

import asyncpg
import uvloop

from bench.bare import client

CLIENT_ID = "bench-tutorial"

# As the tutorials have it: names instead of ids, no key, no ledger.
TABLE = """
create table if not exists tutorial
    (device text, property text, time timestamptz, value double precision)
"""
INSERT = "insert into tutorial (device, property, time, value) values ($1, $2, $3, $4)"


async def receive(port: int, database_url: str, count: int) -> float:
    """Return messages per second."""
    db = await asyncpg.connect(database_url)
    await db.execute(TABLE)
    received, started = 0, 0.0
    async with client(port, CLIENT_ID) as subscriber:
        async for message in subscriber.messages:
            started = started or time.perf_counter()
            content = json.loads(message.payload)
            taken = datetime.fromisoformat(content["time"])
            for name, value in content["values"].items():
                await db.execute(INSERT, str(message.topic).split("/")[2], name, taken, value)
            received += 1
            if received == count:
                await db.close()
                return count / (time.perf_counter() - started)
    raise RuntimeError("the broker went away")


if __name__ == "__main__":
    print(uvloop.run(receive(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
