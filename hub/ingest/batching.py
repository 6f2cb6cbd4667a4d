"""How many messages make one commit? As many as have come, within a size and an age."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from hub.domain.intake import Intake
from hub.ingest.ports import Delivery


class Examined(NamedTuple):
    """A delivery and what it came to."""

    delivery: Delivery
    intake: Intake


Pending = list[Examined]

BYTES_PER_ROW = 500  # so that a commit of 2,000 holds a megabyte of rejected payloads at the most


async def batches(
    queue: asyncio.Queue[Examined], *, max_size: int, max_age_s: float
) -> AsyncIterator[Pending]:
    """Group what comes through the queue, in order.

    A batch ends at `max_size` readings and rejections (a single message may exceed it) or
    `max_age_s` after its first message was taken, whichever is first.
    """
    loop = asyncio.get_running_loop()
    while True:
        first = await queue.get()
        batch, size = [first], weight(first)
        deadline = loop.time() + max_age_s
        while size < max_size:
            if queue.empty():
                try:
                    async with asyncio.timeout_at(deadline):
                        examined = await queue.get()
                except TimeoutError:
                    break
            else:
                examined = queue.get_nowait()
            batch.append(examined)
            size += weight(examined)
        yield batch


def weight(examined: Examined) -> int:
    """Return how much a message adds to its batch: its rows, or more if a long payload is kept."""
    intake = examined.intake
    kept = sum(len(lost.payload) for lost in intake.rejections) // BYTES_PER_ROW
    return max(len(intake.readings) + len(intake.rejections), kept)
