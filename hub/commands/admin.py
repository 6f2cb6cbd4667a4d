"""Register what the hub must know: organisations, devices, feeds, agreements, keys."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hub.broker.access import hash_password, new_password
from hub.commands.terminal import run
from hub.domain.durations import format_duration, parse_duration
from hub.domain.identity import slug
from hub.domain.sensing import (
    ConflictRule,
    Device,
    DeviceState,
    ObservedProperty,
    Position,
    ResultKind,
)
from hub.domain.sharing import Agreement, AgreementState, Feed, FeedState, Scope, Shape
from hub.settings import Settings
from hub.sharing.keys import new_key
from hub.storage import registry, rejections, sharing
from hub.storage.pool import Db, connect

app = typer.Typer(no_args_is_help=True, help=__doc__)


def _group(name: str, help_text: str) -> typer.Typer:
    group = typer.Typer(no_args_is_help=True, help=help_text)
    app.add_typer(group, name=name)
    return group


organisation = _group("organisation", "Administrations, companies, the region.")
observed = _group("property", "Observed properties: what is measured, in which unit.")
device = _group("device", "Devices, their datastreams and their passwords at the broker.")
feed = _group("feed", "Feeds: selections of an organisation's datastreams, to be shared.")
agreement = _group("agreement", "Who may read whose feed, and in which shape.")
application = _group("application", "Systems that read feeds or hand in readings.")
key = _group("key", "Keys of applications: shown once, stored hashed.")
connector = _group("connector", "What happens to devices that nobody registered.")
rejection = _group("rejection", "What could not be accepted, and why.")


def _with_database(work: Callable[[Db], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with connect(Settings().database_url) as db:
            await work(db)

    run(connected)


def _slug(name: str) -> str:
    try:
        return slug(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _duration(text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not an ISO 8601 time or date") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _position(text: str | None) -> Position | None:
    if text is None:
        return None
    try:
        lon, lat = (float(part) for part in text.split(","))
    except ValueError as error:
        raise typer.BadParameter("write it as longitude,latitude: 17.95,59.45") from error
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):  # noqa: PLR2004  degrees
        raise typer.BadParameter("longitude is -180 to 180, latitude -90 to 90, in this order")
    return Position(lon, lat)


def _names(values: Sequence[str] | None) -> frozenset[str] | None:
    return frozenset(values) if values else None


def _show(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(soft_wrap=True).print(table)


Slug = Annotated[str, typer.Argument(callback=_slug, help="lower-case id, unique in the hub")]


@organisation.command("create")
def organisation_create(
    id_: Slug, name: Annotated[str, typer.Option(help="as people call it")]
) -> None:
    """Add an organisation.

    Example: stadsnav admin organisation create traffic --name 'Traffic Administration'
    """

    async def work(db: Db) -> None:
        await registry.add_organisation(db, id_, name)
        typer.echo(f"organisation {id_}")

    _with_database(work)


@organisation.command("list")
def organisation_list() -> None:
    """Every organisation, with how much it has."""

    async def work(db: Db) -> None:
        rows = await registry.organisations(db)
        _show(("id", "name", "devices", "feeds"), [tuple(row.values()) for row in rows])

    _with_database(work)


@observed.command("create")
def property_create(
    id_: Slug,
    name: Annotated[str, typer.Option(help="as people call it")],
    unit: Annotated[str, typer.Option(help="UCUM code, such as Cel, ug/m3, %")],
    definition: Annotated[str | None, typer.Option(help="URI that defines it")] = None,
    kind: Annotated[
        ResultKind, typer.Option(help="is a result a number or a text?")
    ] = ResultKind.NUMBER,
    low: Annotated[float | None, typer.Option(help="plausible from; below is flagged")] = None,
    high: Annotated[float | None, typer.Option(help="plausible to; above is flagged")] = None,
) -> None:
    """Add what devices may measure.

    Example: stadsnav admin property create no2 --name 'Nitrogen dioxide' --unit ug/m3 --low 0
    """
    if low is not None and high is not None and low > high:
        raise typer.BadParameter(f"--low ({low:g}) must not exceed --high ({high:g})")

    async def work(db: Db) -> None:
        await registry.add_property(
            db, ObservedProperty(id_, name, unit, definition, kind, low, high)
        )
        typer.echo(f"property {id_}")

    _with_database(work)


@observed.command("list")
def property_list() -> None:
    """Every observed property, with unit and plausible range."""

    async def work(db: Db) -> None:
        rows = await registry.properties(db)
        _show(
            ("id", "name", "unit", "definition", "kind", "low", "high"),
            [tuple(row.values()) for row in rows],
        )

    _with_database(work)


@device.command("create")
def device_create(
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
) -> None:
    """Register a device and print its password at the broker, this once.

    Example: stadsnav admin device create noise-9 --organisation environment --property laeq
    """
    new = Device(id_, owner, kind, name or id_, _position(position), moving)
    password = new_password()

    async def work(db: Db) -> None:
        await registry.add_device(
            db,
            new,
            observes,
            password_hash=hash_password(password),
            on_conflict=on_conflict,
        )
        _tell_password(id_, password)

    _with_database(work)


def _tell_password(device_id: str, password: str) -> None:
    typer.echo(f"device    {device_id}")
    typer.echo(f"password  {password}   (shown this once)")
    typer.echo(f"topic     v1/devices/{device_id}/readings")


@device.command("list")
def device_list(
    owner: Annotated[str | None, typer.Option("--organisation", help="only this one's")] = None,
) -> None:
    """Devices, with what they report."""

    async def work(db: Db) -> None:
        rows = await registry.devices(db, owner)
        _show(
            ("id", "organisation", "kind", "name", "state", "moving", "reports"),
            [(*tuple(row.values())[:-1], ", ".join(row["properties"])) for row in rows],
        )

    _with_database(work)


@device.command("password")
def device_password(id_: Slug) -> None:
    """Give a device a new password; the old one ends at once."""
    password = new_password()

    async def work(db: Db) -> None:
        await registry.set_credential(db, id_, hash_password(password))
        _tell_password(id_, password)

    _with_database(work)


@device.command("state")
def device_state(
    id_: Slug, state: Annotated[DeviceState, typer.Argument(help="its new state")]
) -> None:
    """Set a device's state; quarantined and decommissioned ones may not publish."""

    async def work(db: Db) -> None:
        await registry.set_device_state(db, id_, state)
        typer.echo(f"device {id_} is {state}")

    _with_database(work)


@feed.command("create")
def feed_create(
    id_: Slug,
    owner: Annotated[str, typer.Option("--organisation", help="who publishes it")],
    title: Annotated[str, typer.Option(help="as people call it")],
    description: Annotated[str, typer.Option(help="what it is good for")] = "",
    licence: Annotated[str, typer.Option(help="SPDX id, such as CC0-1.0")] = "",
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="kinds of devices")] = None,
    devices: Annotated[list[str] | None, typer.Option("--device", help="single devices")] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="only these observed properties")
    ] = None,
) -> None:
    """Publish a selection of an organisation's datastreams; matching devices join by themselves.

    Example: stadsnav admin feed create noise --organisation environment --title Noise --kind noise
    """
    new = Feed(
        id_, owner, title, description, licence, FeedState.PUBLISHED, _names(devices),
        _names(kinds), _names(properties),
    )  # fmt: skip

    async def work(db: Db) -> None:
        await sharing.add_feed(db, new)
        typer.echo(f"feed {id_}: {len(await sharing.datastreams(db, id_))} datastreams")

    _with_database(work)


@feed.command("list")
def feed_list() -> None:
    """Every feed."""

    async def work(db: Db) -> None:
        feeds = await sharing.all_feeds(db)
        _show(
            ("id", "organisation", "title", "licence", "state"),
            [(f.id, f.organisation, f.title, f.licence, f.state) for f in feeds],
        )

    _with_database(work)


@agreement.command("create")
def agreement_create(
    feed_id: Annotated[str, typer.Argument(metavar="FEED", help="what is shared")],
    consumer: Annotated[str, typer.Argument(help="with whom; `public` is everyone")],
    purpose: Annotated[str, typer.Option(help="what for")],
    legal_basis: Annotated[str, typer.Option(help="by which right")],
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="only these; repeat")
    ] = None,
    finest_resolution: Annotated[
        str | None, typer.Option(help="only aggregates of at least this: PT15M")
    ] = None,
    delay: Annotated[str | None, typer.Option(help="nothing younger than this: PT5M")] = None,
    position_decimals: Annotated[
        int | None, typer.Option(min=0, max=7, help="decimals of a degree; 3 is about 100 m")
    ] = None,
    history: Annotated[str | None, typer.Option(help="nothing older than this: P30D")] = None,
    valid_from: Annotated[str | None, typer.Option(help="default now")] = None,
    valid_until: Annotated[str | None, typer.Option(help="default for ever")] = None,
) -> None:
    """Give an organisation a right to a feed.

    Example: stadsnav admin agreement create noise traffic --purpose 'Speed limits'
    --legal-basis 'Municipal task' --finest-resolution PT15M
    """
    since, until = _time(valid_from) or datetime.now(UTC), _time(valid_until)
    if until is not None and until <= since:
        raise typer.BadParameter("--valid-until must be after --valid-from")
    shape = Shape(
        _names(properties), _duration(finest_resolution), _duration(delay) or timedelta(),
        position_decimals, _duration(history),
    )  # fmt: skip
    terms = Agreement(
        0, feed_id, consumer, AgreementState.ACTIVE, purpose, legal_basis, since, until, shape
    )

    async def work(db: Db) -> None:
        made = await sharing.add_agreement(db, terms)
        typer.echo(f"agreement {made.id}: {consumer} may read {feed_id}")

    _with_database(work)


@agreement.command("list")
def agreement_list() -> None:
    """Every agreement, with its shape."""

    async def work(db: Db) -> None:
        rows = [_agreement_row(a) for a in await sharing.all_agreements(db)]
        _show(("id", "feed", "consumer", "state", "valid until", "shape", "purpose"), rows)

    _with_database(work)


def _agreement_row(a: Agreement) -> tuple[object, ...]:
    return (a.id, a.feed, a.consumer, a.state, a.valid_until, _told(a.shape), a.purpose)


def _told(shape: Shape) -> str:
    parts = [
        shape.properties and "only " + ", ".join(sorted(shape.properties)),
        shape.finest_resolution and f"at least {format_duration(shape.finest_resolution)}",
        shape.delay and f"{format_duration(shape.delay)} late",
        shape.position_decimals is not None and f"{shape.position_decimals} decimals",
        shape.history and f"back {format_duration(shape.history)}",
    ]
    return "; ".join(part for part in parts if part) or "everything"


@agreement.command("end")
def agreement_end(agreement_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Revoke an agreement: its consumer's streams end within seconds."""

    async def work(db: Db) -> None:
        await sharing.set_agreement_state(db, agreement_id, AgreementState.REVOKED)
        typer.echo(f"agreement {agreement_id} is revoked")

    _with_database(work)


@application.command("create")
def application_create(
    id_: Slug,
    owner: Annotated[str, typer.Option("--organisation", help="for whom it acts")],
    name: Annotated[str | None, typer.Option(help="as people call it")] = None,
    scopes: Annotated[list[Scope] | None, typer.Option("--scope", help="repeat")] = None,
) -> None:
    """Add a system that reads feeds, or hands in readings with --scope readings:write.

    Example: stadsnav admin application create dashboard --organisation traffic
    """

    async def work(db: Db) -> None:
        chosen = frozenset(scopes or [Scope.READ])
        await sharing.add_application(db, id_, owner, name or id_, chosen)
        typer.echo(f"application {id_}: now `stadsnav admin key create {id_}`")

    _with_database(work)


@key.command("create")
def key_create(
    application_id: Annotated[str, typer.Argument(metavar="APPLICATION")],
    expires: Annotated[str | None, typer.Option(help="a time or date; default never")] = None,
) -> None:
    """Make a key for an application and print it, this once."""
    fresh, expires_at = new_key(), _time(expires)

    async def work(db: Db) -> None:
        await sharing.add_key(db, application_id, fresh.prefix, fresh.hash, expires_at)
        typer.echo(f"{fresh.key}   (shown this once)")

    _with_database(work)


@key.command("list")
def key_list() -> None:
    """Every key by its prefix."""

    async def work(db: Db) -> None:
        rows = await sharing.keys(db)
        _show(
            ("prefix", "application", "organisation", "scopes", "state", "created", "expires"),
            [
                (*tuple(row.values())[:3], " ".join(row["scopes"]), *tuple(row.values())[4:])
                for row in rows
            ],
        )

    _with_database(work)


@key.command("revoke")
def key_revoke(prefix: Annotated[str, typer.Argument(help="eight characters, see list")]) -> None:
    """End a key: requests with it fail from now on, its streams end within seconds."""

    async def work(db: Db) -> None:
        await sharing.revoke_key(db, prefix)
        typer.echo(f"key {prefix} is revoked")

    _with_database(work)


@connector.command("rule")
def connector_rule(
    connector_id: Annotated[str, typer.Argument(metavar="CONNECTOR")],
    register_under: Annotated[
        str | None, typer.Option(help="take unknown devices in under this organisation")
    ] = None,
) -> None:
    """Reject what unknown devices send (the default), or register them.

    Example: stadsnav admin connector rule mqtt --register-under environment
    """

    async def work(db: Db) -> None:
        await registry.set_connector_rule(db, connector_id, register_under)
        typer.echo(
            f"connector {connector_id}: unknown devices are "
            + (f"registered under {register_under}" if register_under else "rejected")
        )

    _with_database(work)


@rejection.command("list")
def rejection_list(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="the newest so many")] = 20,
) -> None:
    """The newest rejections."""

    async def work(db: Db) -> None:
        rows = await rejections.newest(db, limit)
        _show(
            ("id", "received", "connector", "topic", "reason", "readings", "detail"),
            [tuple(row.values()) for row in rows],
        )

    _with_database(work)


@app.command("broker-hash")
def broker_hash() -> None:
    """Make the hub's own password at a broker whose users it writes, and the hash to set.

    Put the password into STADSNAV_MQTT_URL and the hash into STADSNAV_MQTT_HUB_PASSWORD_HASH.
    """
    password = new_password()
    typer.echo(f"password  {password}")
    typer.echo(f"hash      {hash_password(password)}")
