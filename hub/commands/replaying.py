"""Take in again what was rejected, once its cause is mended."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from hub.domain.intake import Batch, Intake, Replayed
from hub.domain.registry import Registry
from hub.ingest.examining import Examiner
from hub.storage import ledger, registry, rejections
from hub.storage.pool import Db, Record, Store
from hub.storage.rejections import Filter

CONNECTOR = "replay"
AT_A_TIME = 200  # messages per commit


async def replay(db: Db, wanted: Filter, examiner: Examiner) -> AsyncIterator[Replayed]:
    """Replay what the filter selects, under the time of its first arrival; yield each commit.

    A commit forgets the old rejections and writes what the messages come to now, so that being
    killed, or run twice, changes nothing. What is rejected again is a rejection again, and is not
    looked at twice: it is newer than what was there when this began.
    """
    await ledger.ensure_connector(db, CONNECTOR)
    known = await registry.load(db, CONNECTOR)
    after, until = 0, await rejections.newest_id(db)
    while True:
        step = await _step(db, wanted, known, examiner, after=after, until=until)
        if step is None:
            return
        yield step
        after = step.last


@dataclass(frozen=True, slots=True)
class Replayer:
    """Replays for the API, which asks for one commit after the other."""

    store: Store
    examiner: Examiner

    async def step(self, wanted: Filter, after: int, until: int | None) -> Replayed:
        """Replay the next messages with ids in (after, until]; until None, up to the newest now.

        Nothing left is an empty step. Raises StoreUnavailable; then nothing was changed.
        """
        async with self.store.connection() as db:
            await ledger.ensure_connector(db, CONNECTOR)
            known = await registry.load(db, CONNECTOR)
            until = await rejections.newest_id(db) if until is None else until
            step = await _step(db, wanted, known, self.examiner, after=after, until=until)
            return step or Replayed(until=until, last=until)


async def _step(
    db: Db, wanted: Filter, known: Registry, examiner: Examiner, *, after: int, until: int
) -> Replayed | None:
    async with db.transaction():
        rows = await rejections.replayable(db, wanted, after=after, until=until, limit=AT_A_TIME)
        if not rows:
            return None
        messages = {(row["batch_id"], row["topic"], row["received_at"]): row for row in rows}
        for message in messages:
            await rejections.forget_message(db, *message)
        outcome = await ledger.write_batch(db, _batch(messages.values(), known, examiner))
    return Replayed(
        len(messages),
        outcome.stored,
        outcome.duplicates,
        outcome.rejected,
        last=rows[-1]["id"],
        until=until,
    )


def _batch(messages: Iterable[Record], known: Registry, examiner: Examiner) -> Batch:
    came_to = [_examine(row, known, examiner) for row in messages]
    return Batch(
        CONNECTOR,
        len(came_to),
        [reading for one in came_to for reading in one.readings],
        [lost for one in came_to for lost in one.rejections],
    )


def _examine(row: Record, known: Registry, examiner: Examiner) -> Intake:
    topic, payload, received_at = row["topic"], row["payload"], row["received_at"]
    items = examiner.read(topic, payload)
    return examiner.judge(items, topic, payload, received_at, registry=known)
