"""What the gate reads, bound to one connection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hub.domain.queries import BatchMark, Raw, Row, ShapedQuery
from hub.domain.reads import Read
from hub.domain.retention import Forgotten
from hub.domain.sensing import Datastream
from hub.domain.sharing import Agreement, Feed
from hub.storage import readings, retention, sharing
from hub.storage.pool import Db
from hub.storage.reads import ReadLog


class Archive(Protocol):
    """What is kept outside of the database; `hub.archive.reading` is it."""

    async def oldest(self) -> datetime | None: ...
    async def history(self, query: ShapedQuery) -> list[Raw]: ...


class Records:
    """The store as `hub.sharing.gate` asks for it.

    History and the newest readings come from `rows`, which may be a replica's connection. Rights
    never do, nor what a stream follows: its position is the primary's. `reads` is shared by all in
    a process; without it reads are recorded too, each by itself.
    """

    def __init__(
        self,
        db: Db,
        rows: Db | None = None,
        archive: Archive | None = None,
        reads: ReadLog | None = None,
    ) -> None:
        self._db = db
        self._rows = rows or db
        self._archive = archive
        self._reads = reads or ReadLog()

    async def feed(self, feed_id: str) -> Feed | None:
        return await sharing.feed(self._db, feed_id)

    async def candidate_feeds(self, organisation: str) -> list[Feed]:
        return await sharing.candidate_feeds(self._db, organisation)

    async def listed_feeds(self) -> list[Feed]:
        return await sharing.listed_feeds(self._db)

    async def agreements(self, feeds: Sequence[str], organisation: str) -> list[Agreement]:
        return await sharing.agreements(self._db, feeds, organisation)

    async def datastreams(self, feed_id: str) -> list[Datastream]:
        return await sharing.datastreams(self._db, feed_id)

    async def history(self, query: ShapedQuery) -> list[Row]:
        found = await readings.history(self._rows, query)
        if self._archive is None or not query.archived:
            return found
        # What is about to be deleted from the store may be in both.
        both: dict[tuple[int, datetime], Row] = {}
        for row in (*await self._archive.history(query), *found):
            both[row.datastream_id, row.time] = row
        return [row for _, row in sorted(both.items())][: query.limit]

    async def archived_since(self) -> datetime | None:
        return None if self._archive is None else await self._archive.oldest()

    async def latest(self, query: ShapedQuery) -> list[Row]:
        return await readings.latest(self._rows, query)

    async def forgotten(self) -> Forgotten:
        return await retention.forgotten(self._db)

    async def of_batches(self, query: ShapedQuery, batches: Sequence[BatchMark]) -> list[Raw]:
        return await readings.of_batches(self._db, query, batches)

    async def put_on_record(self, read: Read) -> None:
        await self._reads.record(self._db, read)
