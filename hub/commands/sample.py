"""Register the sample city: who shares what with whom, with keys and passwords to try it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

from hub.broker.access import hash_password, new_password
from hub.domain.durations import parse_duration
from hub.domain.feeds import Card, Classification, FeedFile
from hub.domain.identity import PUBLIC
from hub.domain.intake import Batch
from hub.domain.registry import DeviceRules
from hub.domain.sensing import Device, ObservedProperty, Position, Quality, Reading, ResultKind
from hub.domain.sharing import Agreement, AgreementState, Feed, FeedState, Scope, Shape
from hub.sharing.keys import new_key
from hub.storage import ledger, registry, sharing
from hub.storage.feeds import FeedFiles
from hub.storage.pool import Db
from simulators import city as simulated
from simulators import patterns

HISTORY = timedelta(hours=24)
HISTORY_STEP = timedelta(minutes=10)
HISTORY_CONNECTOR = "sample-history"
HISTORY_BATCH = 20_000

DEMO_DEVICE = "demo-1"
DEMO_FEED = "demo"
DEMO_READER = "traffic"
DEMO_PROPERTY = "temperature"

LICENCE = "CC0-1.0"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the sample city's people need, seen this once; the hub keeps hashes only."""

    keys: dict[str, str] = field(default_factory=dict)  # by organisation
    passwords: dict[str, str] = field(default_factory=dict)  # by device


async def is_registered(db: Db) -> bool:
    return await registry.organisation_of(db, DEMO_DEVICE) is not None


async def register(db: Db, city: simulated.City) -> Credentials:
    """Register the city, its feeds and its agreements, and a day of its history: all or nothing."""
    made = Credentials()
    async with db.transaction():
        await _register_things(db, city, made)
        await _register_feeds(db)
        await renew_keys(db, city, made)
        await _write_history(db, city)
    return made


async def renew_credentials(db: Db, city: simulated.City) -> Credentials:
    """Give a registered city new keys and passwords; the old passwords end."""
    made = Credentials()
    async with db.transaction():
        await renew_keys(db, city, made)
        for device in [*(d.id for d in city.devices), DEMO_DEVICE]:
            made.passwords[device] = password = new_password()
            await registry.set_credential(db, device, hash_password(password))
    return made


async def _register_things(db: Db, city: simulated.City, made: Credentials) -> None:
    for organisation in city.organisations:
        await registry.add_organisation(db, organisation.id, organisation.name)
        await sharing.add_application(
            db,
            f"{organisation.id}-app",
            organisation.id,
            f"Sample application of {organisation.name}",
            frozenset({Scope.READ, Scope.WRITE}),
        )
    for p in city.properties:
        await registry.add_property(
            db,
            ObservedProperty(p.id, p.name, p.unit, p.definition, ResultKind(p.kind), p.low, p.high),
        )
    for d in city.devices:
        made.passwords[d.id] = password = new_password()
        device = Device(
            d.id, d.organisation, d.kind, d.name, Position(d.lon, d.lat), moving=d.moving
        )
        await registry.add_device(db, device, d.properties, password_hash=hash_password(password))
    made.passwords[DEMO_DEVICE] = password = new_password()
    demo = Device(DEMO_DEVICE, "environment", "demo", "Yours to try", Position(17.95, 59.45))
    await registry.add_device(db, demo, [DEMO_PROPERTY], password_hash=hash_password(password))


async def renew_keys(db: Db, city: simulated.City, made: Credentials) -> None:
    """Give every organisation's sample application one more key."""
    for organisation in city.organisations:
        fresh = new_key()
        await sharing.add_key(db, f"{organisation.id}-app", fresh.prefix, fresh.hash, None)
        made.keys[organisation.id] = fresh.key


# id, owner, title, selected kinds, what it is
_FEEDS = (
    ("air-quality", "environment", "Air quality", "air-quality", "NO₂ and particles in streets"),
    ("noise", "environment", "Noise", "noise", "Equivalent sound levels"),
    ("traffic-flow", "traffic", "Traffic flow", "traffic-counter", "Vehicles and their speed"),
    ("parking", "property", "Parking", "parking", "Free spaces and status of car parks"),
    ("water-levels", "water", "Water levels", "water-level", "Levels and temperature of water"),
    ("weather", "region", "Weather", "weather", "Temperature, humidity, wind and rain"),
    ("buses", "region", "Buses", "bus", "Where a bus is, how fast, how warm"),
)

# feed, consumer, purpose, what of it
_AGREEMENTS: tuple[tuple[str, str, str, Shape], ...] = (
    ("air-quality", PUBLIC, "Open data", Shape()),
    ("noise", "traffic", "Speed limits by noise", Shape(history=parse_duration("P30D"))),
    (
        "noise",
        "property",
        "Where to renovate windows",
        Shape(finest_resolution=parse_duration("PT15M"), position_decimals=3),
    ),
    ("traffic-flow", "environment", "Air quality model", Shape()),
    (
        "traffic-flow",
        "region",
        "Regional traffic picture",
        Shape(finest_resolution=parse_duration("PT5M"), delay=parse_duration("PT5M")),
    ),
    ("parking", "traffic", "Signs to free car parks", Shape(frozenset({"free_spaces"}))),
    ("water-levels", "region", "Flood warnings", Shape()),
    (
        "water-levels",
        "environment",
        "Water quality",
        Shape(finest_resolution=parse_duration("PT1H")),
    ),
    ("weather", "environment", "Air quality model", Shape()),
    ("weather", "water", "Storm water", Shape()),
    ("buses", "traffic", "Green waves for buses", Shape(position_decimals=4)),
    (DEMO_FEED, DEMO_READER, "To try it out", Shape()),
)


async def _register_feeds(db: Db) -> None:
    now, files = datetime.now(UTC), FeedFiles(db)
    harmless = Classification(0, 1, 1, "the sample", now)
    for feed, owner, title, kind, description in _FEEDS:
        made = Feed(
            feed, owner, title, description, LICENCE, FeedState.PUBLISHED, kinds=frozenset({kind}),
            confidentiality=0,
        )  # fmt: skip
        await files.add(FeedFile(made, Card(information_owner=f"Head of {owner}"), harmless))
    demo = Feed(
        DEMO_FEED, "environment", "Demo", "What you publish", LICENCE, FeedState.PUBLISHED,
        devices=frozenset({DEMO_DEVICE}), confidentiality=0,
    )  # fmt: skip
    await files.add(FeedFile(demo, Card(), harmless))
    for feed, consumer, purpose, shape in _AGREEMENTS:
        basis = "Public sector information act" if consumer == PUBLIC else "Municipal task"
        terms = Agreement(
            0, feed, consumer, AgreementState.ACTIVE, purpose, basis, now, None, shape
        )
        await sharing.add_agreement(db, terms)


async def _write_history(db: Db, city: simulated.City) -> None:
    """Write what the city would have reported during the last day, so that there is a past."""
    await ledger.ensure_connector(db, HISTORY_CONNECTOR)
    devices = (await registry.load(db, HISTORY_CONNECTOR)).devices
    readings = _history(city, devices, datetime.now(UTC))
    while batch := list(islice(readings, HISTORY_BATCH)):
        await ledger.write_batch(db, Batch(HISTORY_CONNECTOR, len(batch), batch))


def _history(
    city: simulated.City, devices: Mapping[str, DeviceRules], now: datetime
) -> Iterator[Reading]:
    end = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    for step in range(int(HISTORY / HISTORY_STEP), 0, -1):
        time = end - step * HISTORY_STEP
        for device in city.devices:
            lon, lat = patterns.position(device, time) if device.moving else (None, None)
            for name in device.properties:
                found = patterns.value(device, name, time)
                value, text = (None, found) if isinstance(found, str) else (found, None)
                stream = devices[device.id].streams[name].id
                yield Reading(stream, time, value, text, Quality.GOOD, now, lon, lat)
