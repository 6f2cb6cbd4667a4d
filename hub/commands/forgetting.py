"""End history where its retention ends, and not before what is made from it has been made."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from hub.commands import rolling
from hub.domain.durations import bucket_floor
from hub.domain.retention import Kept, forgotten_before
from hub.storage import maintenance, retention
from hub.storage.pool import Db
from hub.storage.retention import Rule

STREAMS_AT_ONCE = 20
# With the streams above: two million rows at one reading a second, if nobody ever deleted before.
STEP = {
    Kept.RAW: timedelta(days=1),
    Kept.MINUTE: timedelta(days=30),
    Kept.HOUR: timedelta(days=3_660),
    Kept.DAY: timedelta(days=36_600),
}


async def forget_history(db: Db) -> str:
    """Say what is kept no longer, then delete it."""
    await retention.shift_refresh(db)
    rules = await retention.rule_of_each(db)
    ends = _ends(rules, datetime.now(UTC))
    moved = [rule for rule in rules if rule in ends and _moves(rule, ends[rule])]
    if moved:
        await rolling.roll_up(db)
        await maintenance.roll_up(db, max(ends[rule] for rule in moved))
        await rolling.roll_up_late(db)
        for rule in moved:
            await retention.forget(db, rule.property, rule.kept, ends[rule])
    deleted = [await _delete(db, kept, rules, ends) for kept in Kept]
    told = [f"{kept}={rows}" for kept, rows in zip(Kept, deleted, strict=True) if rows]
    return " ".join(told)


def _ends(rules: Sequence[Rule], now: datetime) -> dict[Rule, datetime]:
    """Return before when each rule forgets; what was forgotten stays so under a longer rule."""
    ends = {}
    for rule in rules:
        if rule.length is not None:
            ends[rule] = max(forgotten_before(rule.length, now), rule.since or _NEVER)
        elif rule.since is not None:
            ends[rule] = rule.since
    return ends


_NEVER = datetime(1, 1, 1, tzinfo=UTC)


def _moves(rule: Rule, end: datetime) -> bool:
    return rule.since is None or end > rule.since


async def _delete(db: Db, kept: Kept, rules: Sequence[Rule], ends: dict[Rule, datetime]) -> int:
    """Delete one class: in whole chunks what all have forgotten, in rows what only some have."""
    by_end = defaultdict(list)
    of_class = [rule for rule in rules if rule.kept is kept]
    for rule in of_class:
        if rule in ends:
            by_end[ends[rule]].append(rule.property)
    if not by_end:
        return 0
    everyone = sum(map(len, by_end.values())) == len(of_class)
    if everyone and await retention.drop_forgotten(db, kept, min(by_end)):
        del by_end[min(by_end)]
    deleted = 0
    for end, properties in by_end.items():
        for observed in properties:
            streams = await retention.streams_of(db, observed)
            for some in _slices(streams):
                deleted += await _delete_before(db, kept, some, end)
    return deleted


def _slices(streams: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(streams), STREAMS_AT_ONCE):
        yield streams[start : start + STREAMS_AT_ONCE]


async def _delete_before(db: Db, kept: Kept, streams: Sequence[int], end: datetime) -> int:
    """Delete step by step, oldest first; each step is a transaction of its own."""
    deleted = 0
    oldest = await retention.oldest_kept(db, kept, streams)
    while oldest is not None and oldest < end:
        until = min(bucket_floor(oldest, timedelta(days=1)) + STEP[kept], end)
        deleted += await retention.delete_kept(db, kept, streams, oldest, until)
        oldest = await retention.oldest_kept(db, kept, streams)
    return deleted
