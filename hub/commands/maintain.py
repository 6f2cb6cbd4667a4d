"""Keep the store in order: roll up, forget, expire; each in its time and in bounded steps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.commands import forgetting, rolling
from hub.commands.anchoring import anchor_outside
from hub.commands.outside import Outside, outside_at
from hub.domain.chunks import chunk_width, should_change
from hub.domain.durations import format_duration
from hub.errors import ConfigurationError, MaintenanceFailed, StoreUnavailable
from hub.settings import AuditSettings, MaintainSettings, Settings
from hub.sharing.agreeing import expire, remind
from hub.storage import idempotency, maintenance, rejections
from hub.storage.agreements import AgreementFiles
from hub.storage.migrate import pending
from hub.storage.pool import Db, connect

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
ROWS_AT_ONCE = 5_000
AGREEMENTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every so often; `work` returns what it did, or nothing worth a line."""

    name: str
    every: timedelta
    work: Callable[[Db], Awaitable[str]]


def tasks(settings: MaintainSettings, outside: Outside | None = None) -> list[Task]:
    """Return what there is to do. Roll-ups come first: forgetting needs them."""
    keep_rejections = timedelta(days=settings.rejections_days)
    minute, hour, day = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
    told = [Task("anchor the audit", hour, lambda db: _anchor(db, outside))] if outside else []
    return [
        Task("roll up", minute, rolling.roll_up),
        Task("roll up late hours", minute, rolling.roll_up_late),
        Task("forget history", hour, forgetting.forget_history),
        Task("forget rejections", hour, lambda db: _forget_rejections(db, keep_rejections)),
        Task("forget idempotency keys", hour, _forget_keys),
        Task("end agreements", minute, _end_agreements),
        Task("remind of agreements", hour, _remind),
        Task("size chunks", day, _size_chunks),
        *told,
    ]


async def run_maintain(settings: Settings, *, once: bool) -> None:
    """Maintain until cancelled, or go through everything once.

    Only one process does at a time; a second one waits to take its place. Raises the first error
    of a single round; a loop logs it, goes on, and tries again in time.
    """
    todo = tasks(settings.maintain, outside_of(settings.audit))
    while True:
        try:
            async with connect(settings.database_url) as db:
                await _check_migrated(db)
                if once:
                    await _round(db, todo)
                    return
                await _loop(db, todo)
        except StoreUnavailable as error:
            if once:
                raise
            log.warning("the store is away, trying again: %s", error)
        await asyncio.sleep(LOOK_EVERY_S)


def outside_of(settings: AuditSettings) -> Outside | None:
    """Return where anchors of the audit go, None where nobody said."""
    if settings.anchors is None:
        return None
    token = settings.anchors_token
    return outside_at(settings.anchors, token.get_secret_value() if token else None)


async def _check_migrated(db: Db) -> None:
    missing = await pending(db)
    if missing:
        raise ConfigurationError(
            f"the database lacks {len(missing)} migration(s): run `stadsnav migrate`"
        )


async def _round(db: Db, todo: Sequence[Task]) -> None:
    if not await maintenance.lock(db):
        raise ConfigurationError(
            "another `stadsnav maintain` is at work on this database, and does all of this"
        )
    for task in todo:
        await _do(db, task)


async def _loop(db: Db, todo: Sequence[Task]) -> None:
    """Do what is due, by this process's own clock, until the connection ends."""
    while not await maintenance.lock(db):  # noqa: ASYNC110  the database has no event for it
        await asyncio.sleep(LOOK_EVERY_S)
    log.info("maintaining")
    due = dict.fromkeys((task.name for task in todo), datetime.now(UTC))
    while True:
        for task in todo:
            if due[task.name] <= datetime.now(UTC):
                due[task.name] = datetime.now(UTC) + task.every
                try:
                    await _do(db, task)
                except MaintenanceFailed as error:
                    log.warning("task=%r failed: %s", task.name, error)
        await asyncio.sleep(LOOK_EVERY_S)


async def _do(db: Db, task: Task) -> None:
    async with maintenance.recorded(db, task.name, task.every):
        did = await task.work(db)
    if did:
        log.info("task=%r %s", task.name, did)


async def _forget_rejections(db: Db, keep: timedelta) -> str:
    if not keep:
        return ""
    before, done = datetime.now(UTC) - keep, 0
    while forgotten := await rejections.forget_before(db, before, limit=ROWS_AT_ONCE):
        done += forgotten
    return f"rejections={done}" if done else ""


async def _forget_keys(db: Db) -> str:
    done = 0
    while forgotten := await idempotency.forget(db, ROWS_AT_ONCE):
        done += forgotten
    return f"keys={done}" if done else ""


async def _end_agreements(db: Db) -> str:
    done = 0
    while True:
        async with db.transaction():
            ended = await expire(AgreementFiles(db), datetime.now(UTC), limit=AGREEMENTS_AT_ONCE)
        done += len(ended)
        if len(ended) < AGREEMENTS_AT_ONCE:
            return f"agreements={done}" if done else ""


async def _remind(db: Db) -> str:
    done = 0
    while True:
        async with db.transaction():
            told = await remind(AgreementFiles(db), datetime.now(UTC), limit=AGREEMENTS_AT_ONCE)
        done += len(told)
        if len(told) < AGREEMENTS_AT_ONCE:
            return f"agreements={done}" if done else ""


async def _anchor(db: Db, outside: Outside) -> str:
    written, newest = await anchor_outside(db, outside, datetime.now(UTC))
    return f"anchors={written} newest={newest.number}" if written and newest else ""


async def _size_chunks(db: Db) -> str:
    """Let the next chunks span what fits into memory at the rate of the last week."""
    current, rate = await maintenance.chunk_interval(db), await maintenance.readings_a_day(db)
    if current is None or rate is None:
        return ""
    wanted = chunk_width(rate, await maintenance.memory(db))
    if not should_change(current, wanted):
        return ""
    await maintenance.set_chunk_interval(db, wanted)
    return f"chunks={format_duration(wanted)} before={format_duration(current)}"
