"""Devices: register them, one or ten thousand; their passwords; their states."""

import csv
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated

import typer

from hub.broker.access import hash_password, new_password
from hub.commands.admin.device_table import FaultyTable, read_table
from hub.commands.admin.terms import (
    Slug,
    operating,
    operator,
    parse_position,
    parse_width,
    progress,
    show,
    with_database,
)
from hub.commands.terminal import fail
from hub.domain.devices import OVERLAP, DeviceAction, NewDevice
from hub.domain.people import Deed
from hub.domain.sensing import ConflictRule, Device, DeviceState
from hub.domain.topics import readings_topic
from hub.fleet import managing
from hub.fleet.managing import Fresh, Minted
from hub.storage import devices, registry
from hub.storage.devices import DeviceFiles
from hub.storage.pool import Db

AT_A_TIME = 500  # devices per transaction
LISTED = 100_000

app = typer.Typer(
    no_args_is_help=True, help="Devices, their datastreams and their passwords at the broker."
)

Reason = Annotated[str, typer.Option(help="why; it goes on record")]


class Switch(StrEnum):
    ON = "on"
    OFF = "off"


def mint() -> Minted:
    """Make a password for a device."""
    password = new_password()
    return Minted(password, hash_password(password))


@app.command("create")
def create(
    id_: Slug,
    owner: Annotated[str, typer.Option("--organisation", help="whose device it is")],
    observes: Annotated[list[str], typer.Option("--property", help="what it reports; repeat")],
    kind: Annotated[str, typer.Option(help="such as noise or weather")] = "sensor",
    name: Annotated[str | None, typer.Option(help="as people call it")] = None,
    position: Annotated[str | None, typer.Option(help="longitude,latitude")] = None,
    moving: Annotated[bool, typer.Option(help="it sends its position with its readings")] = False,
    on_conflict: Annotated[
        ConflictRule, typer.Option(help="a different value for a stored time")
    ] = ConflictRule.KEEP,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="feeds may select by it")] = None,
) -> None:
    """Register a device and print its password at the broker, this once.

    Example: stadsnav admin device create noise-9 --organisation environment --property laeq
    """
    device = Device(id_, owner, kind, name or id_, parse_position(position), moving)
    new = NewDevice(device, tuple(observes), on_conflict, tuple(tags or ()))

    async def work(db: Db) -> None:
        async with db.transaction():
            [fresh] = await managing.provision(DeviceFiles(db), _deed(), [new], mint)
        _tell(fresh)

    with_database(work)


@app.command("provision")
def provision(
    table: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, with a header line")
    ],
    credentials: Annotated[
        Path | None, typer.Option(help="new file for the passwords, mode 600; default: print them")
    ] = None,
    *,
    skip_existing: Annotated[
        bool, typer.Option(help="leave out devices that are registered, to go on after a failure")
    ] = False,
) -> None:
    """Register many devices, and write their passwords as CSV, this once.

    The columns `id`, `organisation` and `properties` (separated by blanks) are needed; `kind`,
    `name`, `lon`, `lat`, `moving`, `tags`, `state` and `on_conflict` may be there. Nothing is
    registered unless every line can be.

    Example: stadsnav admin device provision noise.csv --credentials noise-passwords.csv
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            wanted = read_table(file)
    except (FaultyTable, UnicodeDecodeError) as error:
        fail(f"{table}: {error}")

    async def work(db: Db) -> None:
        taken = await devices.taken(db, [new.device.id for new in wanted])
        if taken and not skip_existing:
            shown = ", ".join(sorted(taken)[:5])
            fail(f"{len(taken)} are registered already: {shown}. Leave them out: --skip-existing")
        rest = [new for new in wanted if new.device.id not in taken]
        with _credentials(credentials) as write, progress("devices", len(rest)) as advance:
            for start in range(0, len(rest), AT_A_TIME):
                some = rest[start : start + AT_A_TIME]
                async with db.transaction():
                    # Written before the commit: a password that nobody knows would be worse than
                    # one that is not valid.
                    write(await managing.provision(DeviceFiles(db), _deed(), some, mint))
                advance(len(some))
        typer.echo(f"{len(rest)} devices registered, {len(taken)} were already", err=True)

    with_database(work)


@contextmanager
def _credentials(path: Path | None) -> Iterator[Callable[[Sequence[Fresh]], None]]:
    if path is None:
        yield _writer(sys.stdout)
        return
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        fail(f"{path} exists already: passwords are not written over others")
    with path.open("w", newline="", encoding="utf-8") as file:
        yield _writer(file)


def _writer(file: IO[str]) -> Callable[[Sequence[Fresh]], None]:
    rows = csv.writer(file)
    rows.writerow(("device", "user", "password", "topic"))

    def write(fresh: Sequence[Fresh]) -> None:
        rows.writerows((f.device, f.user, f.password, readings_topic(f.device)) for f in fresh)
        file.flush()

    return write


@app.command("list")
def list_(
    owner: Annotated[str | None, typer.Option("--organisation", help="only this one's")] = None,
    state: Annotated[DeviceState | None, typer.Option(help="only in this state")] = None,
) -> None:
    """Devices, with what they report and, if they are quarantined, why."""

    async def work(db: Db) -> None:
        found = await devices.listed(db, owner, state=state, after="", limit=LISTED)
        show(
            ("id", "organisation", "kind", "name", "state", "moving", "reports", "tags", "why"),
            [
                (
                    f.device.id, f.device.organisation, f.device.kind, f.device.name,
                    f.device.state, f.device.moving, ", ".join(reports), ", ".join(f.tags),
                    f.reason,
                )
                for f, reports in found
            ],
        )  # fmt: skip

    with_database(work)


@app.command("password")
def password(id_: Slug) -> None:
    """Give a device a single new password; every other ends at once. See also `rotate`."""

    async def work(files: DeviceFiles) -> None:
        _tell(await managing.renew(files, _deed(), id_, mint))

    _with_files(work)


@app.command("rotate")
def rotate(
    id_: Slug,
    overlap: Annotated[str, typer.Option(help="for how long both are valid")] = "P1D",
) -> None:
    """Give a device another password while the one it has stays valid for a time.

    The broker knows one password per user name, so the new one comes with a user name of its own:
    the device's id, or that with @2 behind it. The topics stay the same.

    Example: stadsnav admin device rotate noise-1 --overlap PT48H
    """
    width = parse_width(overlap) or OVERLAP

    async def work(files: DeviceFiles) -> None:
        fresh = await managing.rotate(files, _deed(), id_, mint, width)
        _tell(fresh)
        if fresh.ends is not None:
            typer.echo(f"the other one ends at {fresh.ends.isoformat(timespec='seconds')}")

    _with_files(work)


@app.command("revoke")
def revoke(id_: Slug, reason: Reason = "") -> None:
    """End every password of a device; the broker ends its connection within seconds.

    A certificate of its own is ended by `stadsnav admin certificates revoke`.
    """

    async def work(files: DeviceFiles) -> None:
        await managing.revoke(files, _deed(reason), id_)
        typer.echo(f"device {id_} has no password any more")

    _with_files(work)


@app.command("quarantine")
def quarantine(id_: Slug, reason: Annotated[str, typer.Option(help="why; needed")]) -> None:
    """Shut a device out until somebody has looked at it.

    Example: stadsnav admin device quarantine noise-1 --reason 'opened by strangers'
    """
    _step(id_, DeviceAction.QUARANTINE, reason)


@app.command("release")
def release(id_: Slug, reason: Reason = "") -> None:
    """Let a quarantined device report again."""
    _step(id_, DeviceAction.RELEASE, reason)


@app.command("state")
def state_(
    id_: Slug,
    state: Annotated[DeviceState, typer.Argument(help="its new state")],
    reason: Reason = "",
) -> None:
    """Set a device's state; quarantined and decommissioned ones may not publish.

    planned → active ⇄ maintenance, → quarantined, → decommissioned for good.
    """
    actions = {
        DeviceState.MAINTENANCE: DeviceAction.MAINTAIN,
        DeviceState.QUARANTINED: DeviceAction.QUARANTINE,
        DeviceState.DECOMMISSIONED: DeviceAction.DECOMMISSION,
        DeviceState.ACTIVE: DeviceAction.ACTIVATE,
    }
    if state not in actions:
        raise typer.BadParameter("a device is planned only before it is active")
    _step(id_, actions[state], reason or "by command")


def _step(device: str, action: DeviceAction, reason: str) -> None:
    async def work(files: DeviceFiles) -> None:
        changed = await managing.act(files, _deed(reason), device, action)
        typer.echo(f"device {device} is {changed.device.state}")

    _with_files(work)


@app.command("tag")
def tag(
    id_: Slug,
    tags: Annotated[list[str] | None, typer.Argument(help="none takes all away")] = None,
) -> None:
    """Set the words by which feeds may select a device, instead of those it has.

    Example: stadsnav admin device tag noise-1 school night
    """

    async def work(db: Db) -> None:
        async with db.transaction():
            owner = await devices.set_tags(db, id_, tags or [])
            await operator(db, "device.tag", f"device/{id_}", owner, tags=sorted(tags or []))
        typer.echo(f"device {id_}: {', '.join(sorted(tags or [])) or 'no tags'}")

    with_database(work)


@app.command("receipts")
def receipts(
    id_: Slug, wanted: Annotated[Switch, typer.Argument(help="on or off", metavar="ON|OFF")]
) -> None:
    """Tell a device what became of each message, on v1/devices/ID/receipts, once it is committed.

    For devices that keep a message until its receipt has come, so that not even a broker that is
    killed can lose it. See docs/operations.md.
    """

    async def work(db: Db) -> None:
        await registry.set_receipts(db, id_, wanted=wanted is Switch.ON)
        typer.echo(f"device {id_}: receipts are {wanted}")

    with_database(work)


def _with_files(work: Callable[[DeviceFiles], Awaitable[None]]) -> None:
    async def within(db: Db) -> None:
        async with db.transaction():
            await work(DeviceFiles(db))

    with_database(within)


def _deed(reason: str = "") -> Deed:
    return Deed(operating(), datetime.now(UTC), reason)


def _tell(fresh: Fresh) -> None:
    typer.echo(f"device    {fresh.device}")
    if fresh.user != fresh.device:
        typer.echo(f"user      {fresh.user}")
    typer.echo(f"password  {fresh.password}   (shown this once)")
    typer.echo(f"topic     {readings_topic(fresh.device)}")
