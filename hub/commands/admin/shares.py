"""Share: feeds, agreements about them, and the applications and keys that read them."""

import getpass
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.admin.terms import (
    Slug,
    names_of,
    operator,
    parse_time,
    parse_width,
    show,
    with_database,
)
from hub.domain.areas import Area, parse_area
from hub.domain.durations import format_duration
from hub.domain.feeds import Classification, FeedFile, faults_of
from hub.domain.sharing import Agreement, AgreementState, Feed, FeedState, ReadRule, Scope, Shape
from hub.sharing.keys import new_key
from hub.storage import sharing
from hub.storage.feeds import FeedFiles
from hub.storage.pool import Db

feed = typer.Typer(
    no_args_is_help=True, help="Feeds: selections of an organisation's datastreams, to be shared."
)
agreement = typer.Typer(no_args_is_help=True, help="Who may read whose feed, and in which shape.")
application = typer.Typer(no_args_is_help=True, help="Systems that read feeds or hand in readings.")
key = typer.Typer(no_args_is_help=True, help="Keys of applications: shown once, stored hashed.")

AreaFile = Annotated[
    Path | None, typer.Option(exists=True, help="GeoJSON Polygon: only what is measured in it")
]


@feed.command("create")
def feed_create(
    id_: Slug,
    owner: Annotated[str, typer.Option("--organisation", help="who publishes it")],
    title: Annotated[str, typer.Option(help="as people call it")],
    description: Annotated[str, typer.Option(help="what it is good for")] = "",
    licence: Annotated[str, typer.Option(help="SPDX id, such as CC0-1.0")] = "",
    *,
    listed: Annotated[
        bool, typer.Option(help="let organisations without a right to it ask for one")
    ] = False,
    kinds: Annotated[list[str] | None, typer.Option("--kind", help="kinds of devices")] = None,
    devices: Annotated[list[str] | None, typer.Option("--device", help="single devices")] = None,
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="only these observed properties")
    ] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="devices with this tag")] = None,
    area: Annotated[
        Path | None,
        typer.Option(help="a GeoJSON Polygon: only what is measured in it", exists=True),
    ] = None,
    klassa: Annotated[
        str | None,
        typer.Option(help="confidentiality,integrity,availability from 0 to 3, such as 1,2,1"),
    ] = None,
    read_log: Annotated[
        ReadRule, typer.Option(help="which reads go on record, see docs/audit.md")
    ] = ReadRule.NONE,
) -> None:
    """Publish a selection of an organisation's datastreams; matching devices join by themselves.

    Without --klassa it is not classified, and nobody can agree about it over the API. Example:
    stadsnav admin feed create noise --organisation environment --title Noise --kind noise
    --klassa 1,2,1
    """
    decided = _classification(klassa)
    new = Feed(
        id_, owner, title, description, licence, FeedState.PUBLISHED, names_of(devices),
        names_of(kinds), names_of(properties), listed, names_of(tags), _area(area),
        confidentiality=decided.confidentiality if decided else None, read_log=read_log,
    )  # fmt: skip

    async def work(db: Db) -> None:
        async with db.transaction():
            await FeedFiles(db).add(FeedFile(new, classification=decided))
            await operator(db, "feed.create", f"feed/{id_}", owner, klassa=klassa)
        typer.echo(f"feed {id_}: {len(await sharing.datastreams(db, id_))} datastreams")

    with_database(work)


def _classification(levels: str | None) -> Classification | None:
    if levels is None:
        return None
    try:
        confidentiality, integrity, availability = (int(level) for level in levels.split(","))
    except ValueError as error:
        raise typer.BadParameter("write --klassa as three levels: 1,2,1") from error
    who, now = f"operator:{getpass.getuser()}", datetime.now(UTC)
    decided = Classification(confidentiality, integrity, availability, who, now)
    if faults := faults_of(decided):
        raise typer.BadParameter("; ".join(faults))
    return decided


def _area(file: Path | None) -> Area | None:
    if file is None:
        return None
    try:
        told = json.loads(file.read_text())
        # QGIS exports a feature, or a collection of one.
        told = told["features"][0] if told.get("type") == "FeatureCollection" else told
        return parse_area(told["geometry"] if told.get("type") == "Feature" else told)
    except (ValueError, LookupError, AttributeError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error


@feed.command("list")
def feed_list() -> None:
    """Every feed."""

    async def work(db: Db) -> None:
        feeds = await sharing.all_feeds(db)
        show(
            ("id", "organisation", "title", "licence", "state", "confidentiality"),
            [(f.id, f.organisation, f.title, f.licence, f.state, f.confidentiality) for f in feeds],
        )

    with_database(work)


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
    min_group: Annotated[
        int | None, typer.Option(min=2, help="only means over at least so many devices")
    ] = None,
    area: Annotated[
        Path | None,
        typer.Option(help="a GeoJSON Polygon: only what is measured in it", exists=True),
    ] = None,
    valid_from: Annotated[str | None, typer.Option(help="default now")] = None,
    valid_until: Annotated[str | None, typer.Option(help="default for ever")] = None,
) -> None:
    """Give an organisation a right to a feed.

    Example: stadsnav admin agreement create noise traffic --purpose 'Speed limits'
    --legal-basis 'Municipal task' --finest-resolution PT15M
    """
    since, until = parse_time(valid_from) or datetime.now(UTC), parse_time(valid_until)
    if until is not None and until <= since:
        raise typer.BadParameter("--valid-until must be after --valid-from")
    if min_group is not None and (finest_resolution is None or area is not None):
        raise typer.BadParameter("--min-group goes with --finest-resolution, and with no --area")
    shape = Shape(
        names_of(properties), parse_width(finest_resolution), parse_width(delay) or timedelta(),
        position_decimals, parse_width(history), _area(area),
        min_group,
    )  # fmt: skip
    terms = Agreement(
        0, feed_id, consumer, AgreementState.ACTIVE, purpose, legal_basis, since, until, shape
    )

    async def work(db: Db) -> None:
        async with db.transaction():
            made = await sharing.add_agreement(db, terms)
            subject = f"agreement/{made.id}"
            parties = await sharing.parties(db, made.id)
            await operator(db, "agreement.create", subject, *parties, feed=feed_id, purpose=purpose)
        typer.echo(f"agreement {made.id}: {consumer} may read {feed_id}")

    with_database(work)


@agreement.command("list")
def agreement_list() -> None:
    """Every agreement, with its shape."""

    async def work(db: Db) -> None:
        rows = [_agreement_row(a) for a in await sharing.all_agreements(db)]
        show(("id", "feed", "consumer", "state", "valid until", "shape", "purpose"), rows)

    with_database(work)


def _agreement_row(a: Agreement) -> tuple[object, ...]:
    return (a.id, a.feed, a.consumer, a.state, a.valid_until, _told(a.shape), a.purpose)


def _told(shape: Shape) -> str:
    parts = [
        shape.properties and "only " + ", ".join(sorted(shape.properties)),
        shape.finest_resolution and f"at least {format_duration(shape.finest_resolution)}",
        shape.delay and f"{format_duration(shape.delay)} late",
        shape.position_decimals is not None and f"{shape.position_decimals} decimals",
        shape.history and f"back {format_duration(shape.history)}",
        shape.area and "in an area",
        shape.min_group and f"groups of {shape.min_group}",
    ]
    return "; ".join(part for part in parts if part) or "everything"


@agreement.command("end")
def agreement_end(agreement_id: Annotated[int, typer.Argument(metavar="ID")]) -> None:
    """Revoke an agreement: its consumer's streams end within seconds."""

    async def work(db: Db) -> None:
        async with db.transaction():
            await sharing.set_agreement_state(db, agreement_id, AgreementState.REVOKED)
            parties = await sharing.parties(db, agreement_id)
            await operator(db, "agreement.revoke", f"agreement/{agreement_id}", *parties)
        typer.echo(f"agreement {agreement_id} is revoked")

    with_database(work)


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
        async with db.transaction():
            await sharing.add_application(db, id_, owner, name or id_, chosen)
            subject, told = f"application/{id_}", sorted(chosen)
            await operator(db, "application.create", subject, owner, scopes=told)
        typer.echo(f"application {id_}: now `stadsnav admin key create {id_}`")

    with_database(work)


@key.command("create")
def key_create(
    application_id: Annotated[str, typer.Argument(metavar="APPLICATION")],
    expires: Annotated[str | None, typer.Option(help="a time or date; default never")] = None,
) -> None:
    """Make a key for an application and print it, this once."""
    fresh, expires_at = new_key(), parse_time(expires)

    async def work(db: Db) -> None:
        async with db.transaction():
            await sharing.add_key(db, application_id, fresh.prefix, fresh.hash, expires_at)
            of = await sharing.organisation_of_key(db, fresh.prefix)
            subject = f"key/{fresh.prefix}"
            await operator(db, "key.create", subject, of, application=application_id)
        typer.echo(f"{fresh.key}   (shown this once)")

    with_database(work)


@key.command("list")
def key_list() -> None:
    """Every key by its prefix."""

    async def work(db: Db) -> None:
        rows = await sharing.keys(db)
        show(
            ("prefix", "holder", "organisation", "may", "state", "created", "expires"),
            [
                (*tuple(row.values())[:3], " ".join(row["scopes"]), *tuple(row.values())[4:])
                for row in rows
            ],
        )

    with_database(work)


@key.command("revoke")
def key_revoke(prefix: Annotated[str, typer.Argument(help="eight characters, see list")]) -> None:
    """End a key: requests with it fail from now on, its streams end within seconds."""

    async def work(db: Db) -> None:
        async with db.transaction():
            await sharing.revoke_key(db, prefix)
            of = await sharing.organisation_of_key(db, prefix)
            await operator(db, "key.revoke", f"key/{prefix}", of)
        typer.echo(f"key {prefix} is revoked")

    with_database(work)
