"""Sleep until something was committed: PostgreSQL's NOTIFY as bells that ring in this process."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.errors import StadsnavError
from hub.storage.pool import connect

log = logging.getLogger(__name__)

BATCH = "stadsnav_batch"  # something was stored
REGISTRY = "stadsnav_registry"  # a device, property, datastream or credential changed
RIGHTS = "stadsnav_rights"  # a feed, agreement or key changed

CHECK_S = 5  # how often the connection is tried, so that a silent death rings after all


class Bell:
    """One channel. Take a ticket, read, then wait for the ticket: nothing in between is missed."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ticket(self) -> asyncio.Event:
        """Return the event that the next ring sets."""
        return self._next

    def ring(self) -> None:
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, ticket: asyncio.Event, timeout_s: float) -> bool:
        """Wait for the ring that the ticket was taken for; tell whether it came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await ticket.wait()
        except TimeoutError:
            return False
        return True


class Bells:
    """The bells of one process, rung by one listening connection."""

    def __init__(self) -> None:
        self._bells: dict[str, list[Bell]] = {}

    def on(self, *channels: str) -> Bell:
        """Return a new bell that rings for any of these channels; hang it up before listening."""
        bell = Bell()
        for channel in channels:
            self._bells.setdefault(channel, []).append(bell)
        return bell

    async def listen(self, url: str) -> None:
        """Ring whenever the database does, for ever; after an absence ring every bell once."""
        while True:
            try:
                await self._listen_once(url)
            except StadsnavError as error:
                log.warning("bell connection lost: %s", error)
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  spreads the reconnects

    async def _listen_once(self, url: str) -> None:
        async with connect(url) as db:
            for channel in self._bells:
                await db.add_listener(channel, self._rung)
            for channel in self._bells:
                self._ring(channel)  # whatever was missed while nobody listened
            while True:
                await asyncio.sleep(CHECK_S)
                async with asyncio.timeout(CHECK_S):
                    await db.execute("select 1")

    def _rung(self, _db: object, _pid: int, channel: str, _payload: object) -> None:
        self._ring(channel)

    def _ring(self, channel: str) -> None:
        for bell in self._bells[channel]:
            bell.ring()


@asynccontextmanager
async def listening(url: str, *channels: str) -> AsyncIterator[Bell]:
    """Listen in the background for as long as the block lasts; yield one bell for all channels."""
    bells = Bells()
    bell = bells.on(*channels)
    begun = bell.ticket()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(bells.listen(url), name="bells")
        await begun.wait()  # it rings once as soon as it listens
        yield bell
        task.cancel()
