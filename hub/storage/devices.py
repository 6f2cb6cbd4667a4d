"""Devices with what is on file about them, as rows."""

from collections.abc import Sequence

import asyncpg

from hub.domain.audit import Event
from hub.domain.devices import Credential, DeviceFile, NewDevice
from hub.domain.sensing import Device, DeviceState, Position
from hub.errors import Conflict, NotFound
from hub.storage import audit
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_FILE = statement("devices", "file")
_LISTED = statement("devices", "listed")
_LOCK = statement("devices", "lock")
_TAKEN = statement("devices", "taken")
_UNKNOWN = statement("devices", "unknown")
_INSERT_MANY = statement("devices", "insert_many")
_INSERT_STREAMS = statement("devices", "insert_streams")
_PUT_CREDENTIALS = statement("devices", "put_credentials")
_CREDENTIALS = statement("devices", "credentials")
_END_CREDENTIALS = statement("devices", "end_credentials")
_SAVE = statement("devices", "save")
_SET_TAGS = statement("devices", "set_tags")

SHOWN = 5  # of the ids in an error


class DeviceFiles:
    """The devices as `hub.fleet.managing` works on them, bound to one transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def locked(self, device: str) -> DeviceFile | None:
        """Return a device as it is once nobody else is changing it."""
        await self._db.execute(_LOCK, device)
        return await file_of(self._db, device)

    async def add(self, new: Sequence[NewDevice]) -> None:
        """Register devices with their datastreams; raise Conflict or NotFound, then none are."""
        await _check_free(self._db, [one.device.id for one in new])
        streams = [(one, name) for one in new for name in one.observes]
        await self._check_known(
            {one.device.organisation for one in new}, {name for _, name in streams}
        )
        try:
            await self._db.execute(_INSERT_MANY, *_columns(new))
        except asyncpg.UniqueViolationError as error:
            raise Conflict("a device was registered by somebody else meanwhile") from error
        await self._db.execute(
            _INSERT_STREAMS,
            [one.device.id for one, _ in streams],
            [name for _, name in streams],
            [one.on_conflict for one, _ in streams],
        )

    async def _check_known(self, organisations: set[str], properties: set[str]) -> None:
        """Raise NotFound naming the first that is not registered."""
        for row in await self._db.fetch(_UNKNOWN, sorted(organisations), sorted(properties)):
            raise NotFound(
                f"there is no {row['kind']} '{row['id']}': stadsnav admin {row['command']} list "
                "shows those there are"
            )

    async def put(self, credentials: Sequence[Credential]) -> None:
        """Store credentials, each in the place of the former one in its slot."""
        await self._db.execute(
            _PUT_CREDENTIALS,
            [one.device for one in credentials],
            [one.slot for one in credentials],
            [one.hash for one in credentials],
            [one.created_at for one in credentials],
            [one.expires_at for one in credentials],
        )

    async def end_credentials(self, device: str) -> int:
        """Delete a device's credentials; return how many there were."""
        return len(await self._db.fetch(_END_CREDENTIALS, device))

    async def save(self, changed: DeviceFile) -> None:
        device = changed.device
        await self._db.execute(_SAVE, device.id, device.state, changed.reason, changed.changed_at)

    async def record(self, event: Event) -> None:
        await audit.append(self._db, event)


async def taken(db: Db, ids: Sequence[str]) -> set[str]:
    """Return which of these ids devices have already."""
    return {row["id"] for row in await db.fetch(_TAKEN, list(ids))}


async def _check_free(db: Db, ids: Sequence[str]) -> None:
    known = sorted(await taken(db, ids))
    if known:
        more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
        raise Conflict(f"registered already: {', '.join(known[:SHOWN])}{more}")


async def file_of(db: Db, device: str) -> DeviceFile | None:
    row = await db.fetchrow(_FILE, device)
    if row is None:
        return None
    credentials = [Credential(*found) for found in await db.fetch(_CREDENTIALS, device)]
    return _file(row, credentials)


async def listed(
    db: Db, organisation: str | None, *, state: DeviceState | None, after: str, limit: int
) -> list[tuple[DeviceFile, list[str]]]:
    """Return an organisation's devices (None: everybody's) and what each reports, by id.

    Without their credentials.
    """
    rows = await db.fetch(_LISTED, organisation, state, after, limit)
    return [(_file(row, ()), row["properties"]) for row in rows]


async def set_tags(db: Db, device: str, tags: Sequence[str]) -> str:
    """Set the words that feeds may select a device by; return whose it is."""
    organisation: str | None = await db.fetchval(_SET_TAGS, device, sorted(set(tags)))
    if organisation is None:
        raise NotFound(f"there is no device '{device}'")
    return organisation


def _columns(new: Sequence[NewDevice]) -> tuple[list[object], ...]:
    rows = [
        (
            d.id, d.organisation, d.kind, d.name, *(d.position or (None, None)), d.moving, d.state,
            "\x1f".join(one.tags),
        )
        for one in new
        for d in (one.device,)
    ]  # fmt: skip
    return tuple(list(column) for column in zip(*rows, strict=True))


def _file(row: Record, credentials: Sequence[Credential]) -> DeviceFile:
    position = None if row["lon"] is None else Position(row["lon"], row["lat"])
    device = Device(
        row["id"], row["organisation"], row["kind"], row["name"], position, row["moving"],
        DeviceState(row["state"]),
    )  # fmt: skip
    return DeviceFile(
        device, row["quarantine_reason"], tuple(row["tags"]), tuple(credentials), row["changed_at"]
    )
