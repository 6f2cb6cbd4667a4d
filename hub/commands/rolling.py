"""Roll readings up, step by step, and again what came late."""

from datetime import timedelta

from hub.storage import maintenance
from hub.storage.pool import Db

LAG = timedelta(minutes=15)  # what is younger still gets readings: most would be late for it
LATE_HOURS_AT_ONCE = 2_000


async def roll_up(db: Db) -> str:
    """Roll up a day at a time until 15 minutes ago, where the database does not by itself."""
    until = None
    while found := await maintenance.next_roll_up(db, LAG):
        await maintenance.roll_up(db, found)
        until = found
    return f"until={until.isoformat()}" if until and until.minute == 0 else ""


async def roll_up_late(db: Db) -> str:
    """Roll up again what late readings have changed."""
    done = 0
    while late := await maintenance.late_hours(db, LATE_HOURS_AT_ONCE):
        await maintenance.roll_up_again(db, late)
        done += len(late)
        if len(late) < LATE_HOURS_AT_ONCE:
            break
    return f"hours={done}" if done else ""
