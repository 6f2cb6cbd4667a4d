"""Look at the hub from the terminal: how it is doing, and whether its ledger adds up."""

from datetime import datetime

import typer

from hub.commands.admin.terms import show
from hub.commands.terminal import fail
from hub.errors import ConfigurationError
from hub.storage import operation
from hub.storage.pool import Db, Record


async def show_status(db: Db) -> None:
    """Print what every connector received and what became of it, and who is connected."""
    rows = await operation.connectors(db)
    if not rows:
        raise ConfigurationError("no connector has ever run here: start `stadsnav ingest`")
    show(
        ("connector", "received", "stored", "duplicates", "rejected", "rate/s", "lag", "last"),
        [_status_row(row) for row in rows],
    )
    if reasons := await operation.rejected_by_reason(db):
        typer.echo("\nrejected during the last day")
        show(("connector", "reason", "readings"), [tuple(row.values()) for row in reasons])
    if processes := await operation.processes(db):
        typer.echo("\ningest processes")
        show(
            ("client id", "connected", "in flight", "QoS 0 dropped", "reported"),
            [_process_row(row) for row in processes],
        )


def _status_row(row: Record) -> tuple[object, ...]:
    lag = "" if row["lag_s"] is None else f"{row['lag_s']:.2f} s"
    return (
        row["id"], row["received"], row["stored"], row["duplicates"], row["rejected"],
        f"{row['rate_per_s']:.1f}", lag, _told(row["last_message_at"]),
    )  # fmt: skip


def _process_row(row: Record) -> tuple[object, ...]:
    connected = "yes" if row["connected"] else "no"
    return (
        row["client_id"], connected, row["in_flight"], row["qos0_dropped"],
        _told(row["reported_at"]),
    )  # fmt: skip


def _told(time: datetime | None) -> str:
    return "never" if time is None else f"{time:%Y-%m-%d %H:%M:%S}"


async def audit_ledger(db: Db, since: datetime, until: datetime) -> None:
    """Prove received = stored + duplicates + rejected over a period; end with 1 if it is not so."""
    rows = await operation.audit_totals(db, since, until)
    for row in rows:
        typer.echo(
            f"{row['connector']}: {row['batches']} batches, {row['messages']} messages; received "
            f"{row['received']} = stored {row['stored']} + duplicates {row['duplicates']} + "
            f"rejected {row['rejected']}"
        )
    fault = await operation.audit_first_fault(db, since, until)
    if fault is not None:
        fail(
            f"batch {fault['position']} of {fault['connector']} at {fault['committed_at']} does "
            f"not add up: received {fault['received']}, stored {fault['stored']} "
            f"(readings there: {fault['readings_kept']}), duplicates {fault['duplicates']}, "
            f"rejected {fault['rejected']} (rejections there: {fault['rejections_kept']})"
        )
    whole = await operation.audit_whole(db)
    if whole is not None:
        fail(
            f"connector {whole['id']} says it received {whole['received']}, its batches say "
            f"{whole['by_batches']}"
        )
    typer.echo("the ledger adds up" if rows else "nothing was committed in this period")
