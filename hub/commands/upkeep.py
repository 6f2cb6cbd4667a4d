"""Is the store kept in order, by maintenance and by the database's own jobs?"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.storage import maintenance
from hub.storage.pool import Db

PATIENCE = 3  # missed turns, before a task is behind
SLACK = timedelta(minutes=10)  # a restart is no fault
LATE_TOO_LONG = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Behind:
    """Something that is not as it should be, and what to do."""

    what: str
    remedy: str


async def behind(db: Db, now: datetime) -> AsyncIterator[Behind]:
    """Yield what is behind, nothing if all is done in time."""
    tasks = await maintenance.tasks(db)
    if not tasks:
        yield Behind("it has never run", "run `stadsnav maintain` beside ingest and API")
    for task in tasks:
        last = task["succeeded_at"]
        if task["error"] is not None:
            yield Behind(f"'{task['task']}' failed: {task['error']}", "its log tells more")
        elif _is_overdue(last, task["started_at"], task["every"], now):
            yield Behind(
                f"'{task['task']}' was last done {_at(last)}, it is due every {task['every']}",
                "start `stadsnav maintain`, or see its log",
            )
    for job in await maintenance.jobs(db):
        if job["failures"] or _is_overdue(job["succeeded_at"], now, job["every"], now):
            yield Behind(
                f"the database's job '{job['job']}' last succeeded {_at(job['succeeded_at'])}",
                "see timescaledb_information.job_errors; are background workers left for it?",
            )
    hours, since = await maintenance.late(db)
    if since is not None and now - since > LATE_TOO_LONG:
        yield Behind(
            f"{hours} hours with late readings wait since {_at(since)}: right, but slow to ask for",
            "start `stadsnav maintain`, or see its log",
        )


def _is_overdue(
    last: datetime | None, otherwise: datetime, every: timedelta, now: datetime
) -> bool:
    return now - (last or otherwise) > PATIENCE * every + SLACK


def _at(time: datetime | None) -> str:
    return "never" if time is None else f"{time:%Y-%m-%d %H:%M}Z"
