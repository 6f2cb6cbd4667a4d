"""Write a batch: readings, rejections, ledger and bell in one transaction, or nothing at all."""

from collections.abc import Sequence

import asyncpg

from hub.domain.intake import Batch, Outcome, clean
from hub.domain.sensing import Reading
from hub.storage import arrivals
from hub.storage.pool import Db, Record, Store
from hub.storage.sql import statement

_READING_COLUMNS = (*Reading._fields, "batch_id")
_REJECTION_COLUMNS = (
    "batch_id", "connector", "topic", "received_at", "reason", "detail", "readings", "payload",
    "payload_bytes",
)  # fmt: skip

_NEXT_BATCH_ID = statement("ledger", "next_batch_id")
_STAGE = statement("ledger", "stage")
_INSERT_NEW = statement("ledger", "insert_new")
_OVERWRITE_CHANGED = statement("ledger", "overwrite_changed")
_CLOSE_BATCH = statement("ledger", "close_batch")
_ENSURE_CONNECTOR = statement("ledger", "ensure_connector")
_TOTALS = statement("ledger", "totals")
_BROKEN_BATCH = statement("ledger", "broken_batch")
_NEWEST_POSITION = statement("ledger", "newest_position")


class Ledger:
    """The sink of ingest: every batch that it returns an outcome for is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def store(self, batch: Batch) -> Outcome:
        """Commit the batch. Raises StoreUnavailable or BatchRefused; then nothing was stored."""
        async with self._store.connection() as db:
            return await write_batch(db, batch)


async def write_batch(db: Db, batch: Batch) -> Outcome:
    """Commit all of a batch or none of it.

    Hopes for the best: a plain COPY, which a stored key makes fail. Only then is the batch
    written again the careful way, which costs about three times as much.
    """
    try:
        return await _write(db, batch, careful=False)
    except asyncpg.UniqueViolationError:
        return await _write(db, batch, careful=True)


async def _write(db: Db, batch: Batch, *, careful: bool) -> Outcome:
    async with db.transaction():
        batch_id: int = await db.fetchval(_NEXT_BATCH_ID)
        if careful:
            inserted, overwritten = await _insert_carefully(db, batch.readings, batch_id)
        else:
            inserted, overwritten = await _copy(db, batch.readings, batch_id), 0
        await _copy_rejections(db, batch, batch_id)
        await arrivals.remember(db, batch.arrivals, batch_id)
        stored = inserted + overwritten
        outcome = Outcome(stored, len(batch.readings) - stored, batch.rejected, overwritten)
        times = [reading.time for reading in batch.readings]
        first, last = min(times, default=None), max(times, default=None)
        await db.fetchval(
            _CLOSE_BATCH, batch_id, batch.connector, batch.messages, outcome.stored, overwritten,
            outcome.duplicates, outcome.rejected, first, last,
        )  # fmt: skip
    return outcome


async def _copy(db: Db, readings: Sequence[Reading], batch_id: int) -> int:
    if readings:
        await db.copy_records_to_table(
            "reading",
            records=[(*reading, batch_id) for reading in readings],
            columns=_READING_COLUMNS,
        )
    return len(readings)


async def _insert_carefully(db: Db, readings: Sequence[Reading], batch_id: int) -> tuple[int, int]:
    """Insert what is new and overwrite what may be; return how many of each.

    Corrections first: what `insert_new` adds is then never counted as overwritten too.
    """
    await db.execute(_STAGE)
    await db.copy_records_to_table(
        "staged",
        records=[(ordinal, *reading, batch_id) for ordinal, reading in enumerate(readings)],
        columns=("ordinal", *_READING_COLUMNS),
    )
    overwritten = _row_count(await db.execute(_OVERWRITE_CHANGED))
    inserted = _row_count(await db.execute(_INSERT_NEW))
    return inserted, overwritten


def _row_count(status: str) -> int:
    return int(status.rpartition(" ")[2])  # "INSERT 0 42", "UPDATE 42"


async def _copy_rejections(db: Db, batch: Batch, batch_id: int) -> None:
    if not batch.rejections:
        return
    await db.copy_records_to_table(
        "rejection",
        records=[
            (
                batch_id, batch.connector, clean(r.topic), r.received_at, r.reason, clean(r.detail),
                r.readings, r.payload, r.payload_bytes,
            )
            for r in batch.rejections
        ],
        columns=_REJECTION_COLUMNS,
    )  # fmt: skip


async def ensure_connector(db: Db, connector: str) -> None:
    """Make sure the ledger has a row to count this connector's messages in."""
    await db.execute(_ENSURE_CONNECTOR, connector)


async def totals(db: Db) -> list[Record]:
    """Return per connector: id, messages, received, stored, duplicates, rejected, last message."""
    return await db.fetch(_TOTALS)


async def broken_batch(db: Db) -> int | None:
    """Return the position of the first batch that does not add up, if there is one."""
    position: int | None = await db.fetchval(_BROKEN_BATCH)
    return position


async def newest_position(db: Db) -> int:
    position: int = await db.fetchval(_NEWEST_POSITION)
    return position
