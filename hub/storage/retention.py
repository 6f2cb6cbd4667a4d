"""How long is history kept, what of it is forgotten already, and how is it deleted?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from hub.domain.retention import Forgotten, Kept, Retention
from hub.errors import NotFound
from hub.storage.pool import Db
from hub.storage.sql import statement

_RULES = statement("retention", "rules")
_RULE_OF_EACH = statement("retention", "rule_of_each")
_SET_RULE = statement("retention", "set_rule")
_UNSET_RULE = statement("retention", "unset_rule")
_SHIFT_REFRESH = statement("retention", "shift_refresh")
_FORGOTTEN = statement("retention", "forgotten")
_LOCK_POSITIONS = statement("retention", "lock_positions")
_FORGET = statement("retention", "forget")
_FORGET_MARKS = statement("retention", "forget_marks")
_STREAMS_OF = statement("retention", "streams_of")
_DROP_FORGOTTEN = statement("retention", "drop_forgotten")
_OLDEST_KEPT = statement("retention", "oldest_kept")
_DELETE_KEPT = statement("retention", "delete_kept")


class Rule(NamedTuple):
    """How long one property is kept in one class; `since`: before it, forgetting has begun."""

    property: str
    kept: Kept
    length: timedelta | None
    since: datetime | None


async def rules(db: Db) -> dict[str | None, Retention]:
    """Return what was set, by property; under None what holds for all others."""
    return {
        row["property"]: {kept: row[kept.value] for kept in Kept} for row in await db.fetch(_RULES)
    }


async def set_rule(db: Db, observed: str | None, retention: Retention) -> None:
    """Set how long a property is kept, or, with None, all that have no rule of their own."""
    try:
        await db.execute(_SET_RULE, observed, *(retention[kept] for kept in Kept))
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no observed property '{observed}'") from error
    await shift_refresh(db)


async def unset_rule(db: Db, observed: str | None) -> None:
    await db.execute(_UNSET_RULE, observed)
    await shift_refresh(db)


async def shift_refresh(db: Db) -> None:
    """Keep what rolls up by itself from looking where retention has been."""
    await db.execute(_SHIFT_REFRESH)


async def rule_of_each(db: Db) -> list[Rule]:
    """Return the rule of every property and class."""
    rows = await db.fetch(_RULE_OF_EACH)
    return [Rule(name, Kept(kept), length, since) for name, kept, length, since in rows]


async def forgotten(db: Db) -> Forgotten:
    """Return before when each property is kept no longer in each class."""
    rows = await db.fetch(_FORGOTTEN)
    return {(name, Kept(kept)): since for name, kept, since in rows}


async def forget(db: Db, observed: str, kept: Kept, before: datetime) -> None:
    """Say that nothing before a time is kept any more, so that nobody counts on it."""
    async with db.transaction():
        await db.execute(_LOCK_POSITIONS)
        await db.execute(_FORGET, observed, kept, before)
        if kept is Kept.RAW:
            await db.execute(_FORGET_MARKS, await streams_of(db, observed), before)


async def streams_of(db: Db, observed: str) -> list[int]:
    return [row["id"] for row in await db.fetch(_STREAMS_OF, observed)]


async def drop_forgotten(db: Db, kept: Kept, before: datetime) -> bool:
    """Drop what all have forgotten; return whether this database can, False if rows must go."""
    dropped: bool = await db.fetchval(_DROP_FORGOTTEN, kept, before)
    return dropped


async def oldest_kept(db: Db, kept: Kept, streams: Sequence[int]) -> datetime | None:
    oldest: datetime | None = await db.fetchval(_OLDEST_KEPT, kept, streams)
    return oldest


async def delete_kept(
    db: Db, kept: Kept, streams: Sequence[int], since: datetime, until: datetime
) -> int:
    """Delete what these datastreams have in [since, until) and return how many rows that were."""
    deleted: int = await db.fetchval(_DELETE_KEPT, kept, streams, since, until)
    return deleted
