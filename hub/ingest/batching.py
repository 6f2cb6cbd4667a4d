"""How many messages make one commit? As many as have come, within a size and an age."""

import asyncio
import contextlib
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


class Waiting(asyncio.Queue[Examined]):
    """A queue bounded by what its messages weigh: one may hold thousands of readings."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._weight = 0

    def _put(self, item: Examined) -> None:
        super()._put(item)
        self._weight += weight(item)

    def _get(self) -> Examined:
        item = super()._get()
        self._weight -= weight(item)
        return item

    def full(self) -> bool:
        return self._weight >= self.maxsize


async def batches(
    queue: asyncio.Queue[Examined], *, max_size: int, max_age_s: float
) -> AsyncIterator[Pending]:
    """Group what comes through the queue, in order.

    A batch ends at `max_size` readings and rejections (a single message may exceed it) or
    `max_age_s` after its first message was taken, whichever is first.
    """
    while True:
        batch: Pending = [await queue.get()]
        size = weight(batch[0])
        # One timer for the whole batch; a `get` that is cancelled leaves its message in the queue.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max_age_s):
                while size < max_size:
                    examined = await queue.get()
                    batch.append(examined)
                    size += weight(examined)
        yield batch


def weight(examined: Examined) -> int:
    """Return how much a message adds to its batch: its rows, or more if a long payload is kept."""
    intake = examined.intake
    if not intake.rejections:
        return len(intake.readings) or 1
    kept = sum(len(lost.payload) for lost in intake.rejections) // BYTES_PER_ROW
    return max(len(intake.readings) + len(intake.rejections), kept)
