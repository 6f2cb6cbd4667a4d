"""What others import: a client for those who consume feeds.

async with stadsnav.Client("http://127.0.0.1:8000", key) as city:
    async for reading in city.readings("noise", resolution="PT1H"):
        print(reading["time"], reading["mean"])
"""

from stadsnav.client import Client, Event, Problem

__all__ = ["Client", "Event", "Problem"]
