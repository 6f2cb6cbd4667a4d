"""How is the hub doing? What operators ask, and what the checker of the ledger computes."""

from datetime import datetime

from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_CONNECTORS = statement("operation", "connectors")
_REJECTED_BY_REASON = statement("operation", "rejected_by_reason")
_PROCESSES = statement("operation", "processes")
_REPORT_PROCESS = statement("operation", "report_process")
_AUDIT_TOTALS = statement("operation", "audit_totals")
_AUDIT_FIRST_FAULT = statement("operation", "audit_first_fault")
_AUDIT_WHOLE = statement("operation", "audit_whole")


async def connectors(db: Db) -> list[Record]:
    """Return per connector its totals, its rule, `rate_per_s` and `lag_s` of the last minute."""
    return await db.fetch(_CONNECTORS)


async def rejected_by_reason(db: Db) -> list[Record]:
    """Return connector, reason and readings rejected during the last day."""
    return await db.fetch(_REJECTED_BY_REASON)


async def processes(db: Db) -> list[Record]:
    """Return the ingest processes that reported during the last day."""
    return await db.fetch(_PROCESSES)


async def report_process(
    db: Db, client_id: str, connector: str, *, connected: bool, in_flight: int, qos0_dropped: int
) -> None:
    """Say how an ingest process is."""
    await db.execute(_REPORT_PROCESS, client_id, connector, connected, in_flight, qos0_dropped)


async def audit_totals(db: Db, since: datetime, until: datetime) -> list[Record]:
    """Return per connector what the batches committed in [since, until) say."""
    return await db.fetch(_AUDIT_TOTALS, since, until)


async def audit_first_fault(db: Db, since: datetime, until: datetime) -> Record | None:
    """Return the first batch of a period that does not add up, if there is one."""
    return await db.fetchrow(_AUDIT_FIRST_FAULT, since, until)


async def audit_whole(db: Db) -> Record | None:
    """Return the first connector whose total is not what all its batches say, if there is one."""
    return await db.fetchrow(_AUDIT_WHOLE)
