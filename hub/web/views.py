"""What does the page show? Rows that came through the gate, as a table and a map of words."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hub.domain.durations import format_duration
from hub.domain.queries import Bucket, Raw, Row
from hub.domain.sensing import Datastream, Position
from hub.domain.sharing import Grant, Principal
from hub.sharing.gate import Opened, position_of
from hub.web import maps, wording

DEVICES_SHOWN = 500  # a longer table serves nobody; the API has them all


@dataclass(frozen=True, slots=True)
class Names:
    """What organisations and observed properties are called, by id."""

    organisations: Mapping[str, str]
    properties: Mapping[str, str]
    texts: frozenset[str]  # the properties whose results are texts


@dataclass(frozen=True, slots=True)
class Tab:
    id: str
    title: str
    owner: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One observed property; `low` and `high` span its good numbers at load."""

    property: str
    name: str
    unit: str
    decimals: int
    low: float | None
    high: float | None
    is_numeric: bool

    def written(self, value: float) -> str:
        return wording.number(value, self.decimals)


@dataclass(frozen=True, slots=True)
class Cell:
    """The newest value of one datastream. `exact` is the number unrounded, for the script."""

    datastream: int
    property: str
    text: str
    exact: float | None
    time: str
    said: str
    flag: str


@dataclass(frozen=True, slots=True)
class Line:
    """A device in the table; a cell is None where it does not observe the property."""

    device: str
    name: str
    moving: bool
    cells: Sequence[Cell | None]
    time: str
    age: str


@dataclass(frozen=True, slots=True)
class Dot:
    device: str
    name: str
    title: str
    moving: bool
    x: float
    y: float
    level: int | None


@dataclass(frozen=True, slots=True)
class Map:
    dots: Sequence[Dot]
    projection: maps.Projection
    scale: maps.Scale
    width: float = maps.WIDTH
    height: float = maps.HEIGHT


@dataclass(frozen=True, slots=True)
class Command:
    what: str
    line: str


@dataclass(frozen=True, slots=True)
class FeedView:
    """One feed on the page. `width_s` is that of its averages, 0 where it has every reading."""

    id: str
    title: str
    description: str
    owner: str
    licence: str
    state: str
    basis: str
    terms: str
    width_s: int
    averages: str
    columns: Sequence[Column]
    coloured: Column | None
    lines: Sequence[Line]
    more: int
    map: Map | None
    commands: Sequence[Command]


def tabs(grants: Sequence[Grant], selected: str | None, names: Names) -> list[Tab]:
    return [
        Tab(
            grant.feed.id,
            grant.feed.title or grant.feed.id,
            names.organisations.get(grant.feed.organisation, grant.feed.organisation),
            grant.feed.id == selected,
        )
        for grant in grants
    ]


def shown(opened: Opened) -> list[Datastream]:
    """Return the datastreams of the devices that the page has room for, by device."""
    devices = list(dict.fromkeys(s.device for s in opened.streams.values()))[:DEVICES_SHOWN]
    kept = set(devices)
    return [s for s in opened.streams.values() if s.device in kept]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the gate answered, when, to whom, and how the visitor asked."""

    opened: Opened
    rows: Sequence[Row]
    width: timedelta | None
    now: datetime
    visitor: Principal
    coloured: str | None
    origin: str


def feed_view(moment: Moment, names: Names) -> FeedView:
    """Put one feed into words and places."""
    grant, feed = moment.opened.grant, moment.opened.grant.feed
    streams = shown(moment.opened)
    newest = {row.datastream_id: row for row in moment.rows}
    columns = _columns(streams, newest, names, averaged=moment.width is not None)
    numeric = [column for column in columns if column.is_numeric]
    coloured = next((c for c in numeric if c.property == moment.coloured), None)
    coloured = coloured or next(iter(numeric), None)
    lines = _lines(streams, newest, columns, moment)
    all_devices = len({s.device for s in moment.opened.streams.values()})
    return FeedView(
        id=feed.id,
        title=feed.title or feed.id,
        description=feed.description,
        owner=names.organisations.get(feed.organisation, feed.organisation),
        licence=feed.licence,
        state=feed.state,
        basis=wording.basis(grant, anonymous=moment.visitor.is_anonymous),
        terms=wording.sentence(wording.terms(grant, names.properties)),
        width_s=int(moment.width.total_seconds()) if moment.width else 0,
        averages=wording.averages(moment.width) if moment.width else "",
        columns=columns,
        coloured=coloured,
        lines=lines,
        more=all_devices - len(lines),
        map=_map(streams, newest, lines, coloured, moment.opened),
        commands=commands(moment),
    )


def _columns(
    streams: Sequence[Datastream], newest: Mapping[int, Row], names: Names, *, averaged: bool
) -> list[Column]:
    units = {s.property: s.unit for s in streams}
    columns = []
    for observed, ucum in units.items():
        found = [newest.get(s.id) for s in streams if s.property == observed]
        numbers = [number for row in found if (number := _number(row)) is not None]
        # One implausible value would leave a single colour for all the others.
        good = [n for row in found if _is_good(row) and (n := _number(row)) is not None] or numbers
        columns.append(
            Column(
                observed,
                names.properties.get(observed, observed),
                wording.unit(ucum),
                wording.decimals(numbers, averaged=averaged),
                min(good, default=None),
                max(good, default=None),
                observed not in names.texts,
            )
        )
    return columns


def _lines(
    streams: Sequence[Datastream],
    newest: Mapping[int, Row],
    columns: Sequence[Column],
    moment: Moment,
) -> list[Line]:
    devices: dict[str, dict[str, Datastream]] = {}
    for stream in streams:
        devices.setdefault(stream.device, {})[stream.property] = stream
    lines = []
    for device, observed in devices.items():
        some = next(iter(observed.values()))
        cells = [
            _cell(observed[c.property], newest.get(observed[c.property].id), c, moment.width)
            if c.property in observed
            else None
            for c in columns
        ]
        times = [newest[s.id].time for s in observed.values() if s.id in newest]
        end = max(times) + (moment.width or timedelta()) if times else None
        lines.append(
            Line(
                device,
                some.device_name or device,
                some.moving,
                cells,
                end.isoformat() if end else "",
                wording.age(moment.now - end) if end else wording.NO_VALUE,
            )
        )
    return lines


def _cell(stream: Datastream, row: Row | None, column: Column, width: timedelta | None) -> Cell:
    exact = _number(row)
    if exact is not None:
        text = column.written(exact)
    elif isinstance(row, Raw) and row.text is not None:
        text = row.text
    else:
        text = wording.NO_VALUE
    return Cell(
        stream.id,
        stream.property,
        text,
        exact,
        row.time.isoformat() if row else "",
        _said(row, width),
        wording.flags(row.quality) if isinstance(row, Raw) else "",
    )


def _said(row: Row | None, width: timedelta | None) -> str:
    """Say when it was measured: an instant, or the span that an average is of."""
    if row is None:
        return ""
    end = "" if width is None else f" to {row.time + width:%H:%M}"
    return f"{row.time:%Y-%m-%d %H:%M}{end} UTC" if end else f"{row.time:%Y-%m-%d %H:%M:%S} UTC"


def _is_good(row: Row | None) -> bool:
    return not (isinstance(row, Raw) and row.quality)


def _number(row: Row | None) -> float | None:
    if isinstance(row, Bucket):
        return row.mean
    return row.value if row else None


def _map(
    streams: Sequence[Datastream],
    newest: Mapping[int, Row],
    lines: Sequence[Line],
    coloured: Column | None,
    opened: Opened,
) -> Map | None:
    """Return the map of the devices whose place may be known, None if there are none."""
    places = _places(streams, newest, opened)
    if not places:
        return None
    moving = any(line.moving and line.device in places for line in lines)
    projection = maps.fit(list(places.values()), moving=moving)
    dots = [
        _dot(line, projection.place(places[line.device]), coloured)
        for line in lines
        if line.device in places
    ]
    # What moves is drawn last, so that nothing hides it.
    return Map(sorted(dots, key=lambda dot: dot.moving), projection, maps.scale(projection))


def _places(
    streams: Sequence[Datastream], newest: Mapping[int, Row], opened: Opened
) -> dict[str, Position]:
    """Return where each device is, as precisely as the gate tells: the newest reading counts."""
    places: dict[str, tuple[datetime | None, Position]] = {}
    for stream in streams:
        row = newest.get(stream.id)
        # Without a reading yet, a fixed device still stands where it stands.
        probe = row or Raw(stream.id, _NEVER, None, None, 0, None, None)
        place = position_of(opened, probe)
        if place is None:
            continue
        time = row.time if row else None
        known = places.get(stream.device)
        if known is None or (time is not None and (known[0] is None or known[0] < time)):
            places[stream.device] = (time, place)
    return {device: place for device, (_, place) in places.items()}


_NEVER = datetime.min.replace(tzinfo=UTC)


def _dot(line: Line, place: tuple[float, float], coloured: Column | None) -> Dot:
    x, y = place
    cells = (cell for cell in line.cells if cell is not None and coloured is not None)
    cell = next((c for c in cells if coloured and c.property == coloured.property), None)
    title, level = line.name, None
    if cell is not None and coloured is not None:
        value = cell.text if cell.exact is None else f"{cell.text} {coloured.unit}".rstrip()
        title = f"{line.name}: {value}"
        level = maps.level(cell.exact, coloured.low or 0, coloured.high or 0)
    return Dot(line.device, line.name, title, line.moving, x, y, level)


def commands(moment: Moment) -> list[Command]:
    """Return commands that fetch what the page shows, ready to paste; the key stays outside."""
    root = f"{moment.origin}/api/v1/feeds/{moment.opened.grant.feed.id}"
    key = " " if moment.visitor.is_anonymous else ' -H "Authorization: Bearer $KEY" \\\n'

    def command(what: str, path: str, option: str = "") -> Command:
        return Command(what, f"curl{option}{key}{shlex.quote(f'{root}/{path}')}")

    found = [
        command("The newest values", "latest"),
        command("The last day as CSV", "readings?format=csv"),
    ]
    if moment.width is None:
        return [*found, command("Everything as it arrives", "stream", " -N")]
    coarser = moment.width * 4
    if coarser > timedelta(days=1):
        return found
    what = f"{wording.averages(coarser).capitalize()} of the last day"
    return [*found, command(what, f"readings?resolution={format_duration(coarser)}")]
