"""Take in again what was rejected, once its cause is mended."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hub.domain.intake import Batch, Intake
from hub.domain.registry import Registry
from hub.ingest.acceptance import ClockRule, accept, intake
from hub.ingest.ports import Decode
from hub.storage import ledger, registry, rejections
from hub.storage.pool import Db, Record
from hub.storage.rejections import Filter

CONNECTOR = "replay"
AT_A_TIME = 200  # messages per commit


@dataclass(slots=True)
class Replayed:
    """What became of the replayed messages: it adds up like any other input."""

    messages: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0


async def replay(
    db: Db, wanted: Filter, decode: Decode, clock: ClockRule, tell: Callable[[Replayed], object]
) -> Replayed:
    """Replay what the filter selects, under the time of its first arrival.

    Each commit forgets the old rejections and writes what the messages come to now, so that being
    killed, or run twice, changes nothing. What is rejected again is a rejection again.
    """
    await ledger.ensure_connector(db, CONNECTOR)
    known = await registry.load(db, CONNECTOR)
    total, last = Replayed(), 0
    newest = await rejections.listed(db, Filter(), limit=1)
    end = newest[0]["id"] if newest else 0  # what is rejected again comes after it
    while last < end:
        async with db.transaction():
            rows = await rejections.replayable(db, wanted, after=last, limit=AT_A_TIME)
            rows = [row for row in rows if row["id"] <= end]
            if not rows:
                break
            last = rows[-1]["id"]
            await _replay(db, rows, known, decode, clock, total)
        tell(total)
    return total


async def _replay(
    db: Db,
    rows: Iterable[Record],
    known: Registry,
    decode: Decode,
    clock: ClockRule,
    total: Replayed,
) -> None:
    messages = {(row["batch_id"], row["topic"], row["received_at"]): row for row in rows}
    for message in messages:
        await rejections.forget_message(db, *message)
    came_to = [_examine(row, known, decode, clock) for row in messages.values()]
    outcome = await ledger.write_batch(
        db,
        Batch(
            CONNECTOR,
            len(messages),
            [reading for one in came_to for reading in one.readings],
            [lost for one in came_to for lost in one.rejections],
        ),
    )
    total.messages += len(messages)
    total.stored += outcome.stored
    total.duplicates += outcome.duplicates
    total.rejected += outcome.rejected


def _examine(row: Record, known: Registry, decode: Decode, clock: ClockRule) -> Intake:
    topic, payload, received_at = row["topic"], row["payload"], row["received_at"]
    judged = [accept(item, known, received_at, clock) for item in decode(topic, payload)]
    return intake(topic, payload, received_at, judged)
