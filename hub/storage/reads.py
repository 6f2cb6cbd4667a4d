"""Put reads on record before what was read leaves the hub: many in one commit."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from hub.domain.audit import Event
from hub.domain.reads import HOUR, Read, event_of
from hub.storage import audit
from hub.storage.pool import Db

MOST_AT_ONCE = 500
MOST_COVERED = 100_000  # readers times feeds times ways; beyond it an hour is told of again


@dataclass(slots=True, eq=False)
class _Entry:
    event: Event
    covers: tuple[object, ...] | None
    is_kept: bool = False


class ReadLog:
    """The record of reads, shared by everything in a process that delivers.

    `record` returns once the event is committed, so nothing that was delivered is without one; what
    could not be put on record is not delivered. Whoever comes first writes for all who wait behind:
    a busy feed costs its readers one commit together, not one each.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()  # fair: its order is that of `_waiting`
        self._waiting: list[_Entry] = []
        self._covered: dict[tuple[object, ...], datetime] = {}

    async def record(self, db: Db, read: Read) -> None:
        """Put a read on record. `db` must not be in a transaction: what counts is the commit."""
        entry = _Entry(event_of(read), read.covers)
        if entry.covers in self._covered:
            return
        self._waiting.append(entry)
        try:
            async with self._turn:
                if not entry.is_kept:
                    await self._write(db)
        finally:
            if not entry.is_kept:
                self._waiting.remove(entry)

    async def _write(self, db: Db) -> None:
        batch = self._waiting[:MOST_AT_ONCE]
        # One event stands for all that it covers.
        alone = [entry.event for entry in batch if entry.covers is None]
        shared = {entry.covers: entry.event for entry in reversed(batch) if entry.covers}
        events = [*alone, *(e for covers, e in shared.items() if covers not in self._covered)]
        if events:
            async with db.transaction():
                await audit.append(db, *sorted(events, key=lambda event: event.at))
        for entry in batch:
            entry.is_kept = True
            if entry.covers is not None:
                self._covered[entry.covers] = entry.event.at
        self._waiting = [entry for entry in self._waiting if not entry.is_kept]
        if len(self._covered) > MOST_COVERED:
            self._forget(max(entry.event.at for entry in batch))

    def _forget(self, now: datetime) -> None:
        self._covered = {key: at for key, at in self._covered.items() if at > now - HOUR}
        if len(self._covered) > MOST_COVERED:
            self._covered.clear()
