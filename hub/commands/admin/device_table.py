"""Read a table of devices to be registered; say of every line what is wrong with it."""

import csv
from collections.abc import Iterable, Mapping
from typing import TypeVar

from hub.domain.devices import NewDevice
from hub.domain.identity import RESERVED, slug
from hub.domain.sensing import ConflictRule, Device, DeviceState, Position

NEEDED = ("id", "organisation", "properties")
POSSIBLE = (*NEEDED, "kind", "name", "lon", "lat", "moving", "tags", "state", "on_conflict")
SHOWN = 20  # faults at a time
_FLAGS = {"": False, "false": False, "no": False, "0": False, "true": True, "yes": True, "1": True}
T = TypeVar("T", bound=str)
_BEGINNING = (DeviceState.PLANNED, DeviceState.ACTIVE, DeviceState.MAINTENANCE)


class FaultyTable(Exception):  # noqa: N818
    """The table cannot be used; says why, by line."""


def read_table(lines: Iterable[str]) -> list[NewDevice]:
    """Read CSV with a header; raise FaultyTable with every fault, up to twenty."""
    rows = csv.DictReader(lines, strict=True)
    try:
        _check_header(rows.fieldnames or ())
        found, faults, seen = [], [], dict[str, int]()
        for row in rows:
            try:
                new = _device(row)
                if new.device.id in seen:
                    msg = f"'{new.device.id}' is in line {seen[new.device.id]} already"
                    raise ValueError(msg)  # noqa: TRY301
                seen[new.device.id] = rows.line_num
                found.append(new)
            except ValueError as error:
                faults.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        msg = f"line {rows.line_num}: {error}"
        raise FaultyTable(msg) from error
    if faults:
        more = [f"… and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        raise FaultyTable("\n  ".join([f"{len(faults)} lines are wrong", *faults[:SHOWN], *more]))
    if not found:
        raise FaultyTable("there is no device in it")
    return found


def _check_header(names: Iterable[str]) -> None:
    given = list(names)
    missing = [name for name in NEEDED if name not in given]
    if missing:
        raise FaultyTable(f"the header line lacks {', '.join(missing)}")
    strange = [name for name in given if name not in POSSIBLE]
    if strange:
        raise FaultyTable(f"unknown column {strange[0]!r}; possible are {', '.join(POSSIBLE)}")


def _device(row: Mapping[str, str | None]) -> NewDevice:
    if None in row:
        raise ValueError("it has more fields than the header")
    cell = {name: (row.get(name) or "").strip() for name in POSSIBLE}
    device_id, owner = slug(cell["id"]), slug(cell["organisation"])
    if device_id.startswith(RESERVED):
        raise ValueError(f"ids that begin with '{RESERVED}' are the hub's own")
    observes = tuple(dict.fromkeys(slug(name) for name in cell["properties"].split()))
    if not observes:
        raise ValueError("'properties' is empty: name what it reports, separated by blanks")
    return NewDevice(
        Device(
            device_id,
            owner,
            cell["kind"] or "sensor",
            cell["name"] or device_id,
            _position(cell["lon"], cell["lat"]),
            _flag(cell["moving"]),
            _one_of("state", cell["state"] or DeviceState.ACTIVE, _BEGINNING),
        ),
        observes,
        _one_of("on_conflict", cell["on_conflict"] or ConflictRule.KEEP, tuple(ConflictRule)),
        tuple(cell["tags"].split()),
    )


def _position(lon: str, lat: str) -> Position | None:
    if not lon and not lat:
        return None
    try:
        position = Position(float(lon), float(lat))
    except ValueError:
        position = None
    if position is None or not (-180 <= position.lon <= 180 and -90 <= position.lat <= 90):  # noqa: PLR2004
        msg = f"'lon' and 'lat' are degrees, such as 17.95 and 59.45, not {lon!r} and {lat!r}"
        raise ValueError(msg)
    return position


def _flag(text: str) -> bool:
    try:
        return _FLAGS[text.lower()]
    except KeyError as error:
        msg = f"'moving' is true or false, not {text!r}"
        raise ValueError(msg) from error


def _one_of(name: str, text: str, possible: tuple[T, ...]) -> T:
    for one in possible:
        if one == text:
            return one
    msg = f"'{name}' is {' or '.join(possible)}, not {text!r}"
    raise ValueError(msg)
