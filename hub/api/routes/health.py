"""Is the hub alive, is it ready, and what has it done?"""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from hub.api.deps import Connection, TheHub
from hub.api.metrics import LedgerCollector, ReplicaCollector, collectors
from hub.api.problems import problem
from hub.storage import operation
from hub.storage.migrate import pending

router = APIRouter(tags=["operation"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="Can it serve: is the database there, and migrated?")
async def readyz(db: Connection) -> Any:  # noqa: ANN401  a body or a problem
    missing = await pending(db)
    if missing:
        names = ", ".join(f"{m.number:04} {m.name}" for m in missing)
        return problem(503, f"the database lacks migrations ({names}): run `stadsnav migrate`")
    return {"status": "ready"}


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(db: Connection, hub: TheHub) -> Response:
    ledger = LedgerCollector(
        await operation.connectors(db),
        await operation.rejected_by_reason(db),
        await operation.processes(db),
    )
    replica = ReplicaCollector(hub.replica.lag_s(), is_used=hub.replica.is_used)
    text = b"".join(generate_latest(registry) for registry in collectors(ledger, replica))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
