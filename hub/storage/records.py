"""What the gate reads, bound to one connection."""

from collections.abc import Sequence

from hub.domain.queries import BatchMark, Raw, Row, ShapedQuery
from hub.domain.retention import Forgotten
from hub.domain.sensing import Datastream
from hub.domain.sharing import Agreement, Feed
from hub.storage import readings, retention, sharing
from hub.storage.pool import Db


class Records:
    """The store as `hub.sharing.gate` asks for it.

    History and the newest readings come from `rows`, which may be a replica's connection. Rights
    never do, nor what a stream follows: its position is the primary's.
    """

    def __init__(self, db: Db, rows: Db | None = None) -> None:
        self._db = db
        self._rows = rows or db

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
        return await readings.history(self._rows, query)

    async def latest(self, query: ShapedQuery) -> list[Row]:
        return await readings.latest(self._rows, query)

    async def forgotten(self) -> Forgotten:
        return await retention.forgotten(self._db)

    async def of_batches(self, query: ShapedQuery, batches: Sequence[BatchMark]) -> list[Raw]:
        return await readings.of_batches(self._db, query, batches)
