"""Read from a replica as long as it is close behind; else from the primary, as if alone."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from hub.errors import ConfigurationError, StoreUnavailable
from hub.storage.pool import Db, Store, open_store
from hub.storage.rights import Role
from hub.storage.sql import statement

log = logging.getLogger(__name__)

_WRITTEN = statement("replica", "written")
_REPLAYED = statement("replica", "replayed")

LOOK_EVERY_S = 1.0
ANSWER_WITHIN_S = 2.0
REMEMBERED_S = 600.0  # positions of the primary; who is further behind is far too far


class Lag:
    """How far behind is a replica? By where the primary was when, in bytes of its log.

    Not by the replica's own word: one that the primary has lost says that it has replayed all it
    received.
    """

    def __init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque()
        self._reached_s = -math.inf

    def primary_wrote(self, position: int, at_s: float) -> None:
        """Note how far the primary's log had come."""
        self._written.append((at_s, position))
        while self._written[0][0] < at_s - REMEMBERED_S:
            self._written.popleft()

    def replica_replayed(self, position: int) -> None:
        """Note how far the replica has come: as of the last time that the primary was there."""
        while self._written and self._written[0][1] <= position:
            self._reached_s = self._written.popleft()[0]

    def behind_s(self, now_s: float) -> float:
        """Return how old what the replica shows may be; infinite before it was seen at all."""
        return now_s - self._reached_s


class Replica:
    """A store to read rows from, where nobody's rights are looked up."""

    def __init__(self, primary: Store, replica: Store | None, bound_s: float) -> None:
        self._primary = primary
        self._replica = replica
        self._bound_s = bound_s
        self._lag = Lag()
        self._was_used = True

    def lag_s(self) -> float | None:
        """Return how far it is behind in seconds, None where there is no replica."""
        return None if self._replica is None else self._lag.behind_s(time.monotonic())

    @property
    def is_used(self) -> bool:
        return self._replica is not None and self._lag.behind_s(time.monotonic()) <= self._bound_s

    @asynccontextmanager
    async def rows(self, primary: Db) -> AsyncIterator[Db]:
        """Lend a connection to read rows with: the primary's unless the replica is close."""
        async with AsyncExitStack() as stack:
            found = primary
            if self._replica is not None and self.is_used:
                try:
                    found = await stack.enter_async_context(self._replica.connection())
                except StoreUnavailable as error:
                    log.warning("the replica does not answer, reading from the primary: %s", error)
            yield found

    async def watch(self) -> None:
        """Look where both are, for ever."""
        while self._replica is not None:
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    async with self._primary.connection() as db:
                        written = await db.fetchval(_WRITTEN)
                    self._lag.primary_wrote(int(written), time.monotonic())
                    async with self._replica.connection() as db:
                        self._lag.replica_replayed(int(await db.fetchval(_REPLAYED) or 0))
            except (StoreUnavailable, TimeoutError) as error:
                log.debug("cannot see how far behind the replica is: %s", error)
            if self.is_used != self._was_used:
                self._was_used = self.is_used
                log.warning(
                    "the replica is %s", "used" if self.is_used else "too far behind, or away"
                )
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def open_replica(
    primary: Store, url: str | None, *, size: int, bound_s: float
) -> AsyncIterator[Replica]:
    """Open a pool at a replica; without a URL, or while it is away, the primary serves alone."""
    if url is None:
        yield Replica(primary, None, bound_s)
        return
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_store(url, size=size, role=Role.API))
        except StoreUnavailable as error:
            raise ConfigurationError(
                f"the replica of STADSNAV_DATABASE_REPLICA_URL does not answer: {error}; start it, "
                "or begin without it"
            ) from error
        yield Replica(primary, store, bound_s)
