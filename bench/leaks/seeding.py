"""Put a world into a hub's database, through the hub's own storage."""

from datetime import datetime

from bench.leaks.world import Feed, Right, World
from hub.domain.areas import Area
from hub.domain.business_areas import BusinessArea
from hub.domain.devices import NewDevice
from hub.domain.feeds import Card, Classification, FeedFile
from hub.domain.intake import Batch
from hub.domain.sensing import Device, ObservedProperty, Position, Reading
from hub.domain.sharing import Agreement, AgreementState, FeedState, Scope, Shape
from hub.domain.sharing import Feed as HubFeed
from hub.sharing.keys import new_key
from hub.storage import ledger, registry, sharing
from hub.storage.devices import DeviceFiles
from hub.storage.feeds import FeedFiles
from hub.storage.pool import Db
from hub.storage.portfolio import PortfolioFiles

CONNECTOR = "leaks"
BATCH = 2_000

_STREAMS = "select id, device, property from datastream"


async def seed(db: Db, world: World) -> dict[str, str]:
    """Register everything, store every reading; return a key per organisation."""
    keys = {}
    async with db.transaction():
        for organisation in world.organisations:
            await registry.add_organisation(db, organisation, f"Canary {organisation}")
            keys[organisation] = await _key(db, organisation)
        for name in sorted({stream.property for _, stream in world.streams()}):
            await registry.add_property(db, ObservedProperty(name, name, "1"))
        await _devices(db, world)
        for feed in world.feeds:
            await _feed(db, world, feed)
        everything = frozenset(feed.id for feed in world.feeds)
        await PortfolioFiles(db).put_area(BusinessArea("everything", "All", feeds=everything))
    await _readings(db, world)
    return keys


async def _key(db: Db, organisation: str) -> str:
    fresh, application = new_key(), f"{organisation}-app"
    await sharing.add_application(
        db, application, organisation, application, frozenset({Scope.READ})
    )
    await sharing.add_key(db, application, fresh.prefix, fresh.hash, None)
    return fresh.key


async def _devices(db: Db, world: World) -> None:
    new: dict[str, NewDevice] = {}
    for owner, stream in world.streams():
        known = new.get(stream.device)
        observes = (*(known.observes if known else ()), stream.property)
        place = Position(*stream.position) if stream.position else None
        device = Device(stream.device, owner, stream.kind, stream.name, place, stream.moving)
        new[stream.device] = NewDevice(device, observes, tags=stream.tags)
    await DeviceFiles(db).add(list(new.values()))
    ids = {(row["device"], row["property"]): row["id"] for row in await db.fetch(_STREAMS)}
    for _, stream in world.streams():
        stream.id = ids[stream.device, stream.property]


async def _feed(db: Db, world: World, feed: Feed) -> None:
    made = HubFeed(
        feed.id, feed.owner, feed.title, f"{feed.title} in words", "", FeedState(feed.state),
        kinds=frozenset({feed.streams[0].kind}), properties=_set(feed.properties),
        tags=_set(feed.tags), area=_area(feed.box), confidentiality=1,
    )  # fmt: skip
    decided = Classification(1, 1, 1, "person:somebody", world.now)
    await FeedFiles(db).add(FeedFile(made, Card(), decided))
    for right in feed.rights:
        await _agreement(db, world.now, feed.id, right)


async def _agreement(db: Db, now: datetime, feed: str, right: Right) -> None:
    shape = Shape(
        _set(right.properties), right.finest, right.delay, right.decimals, right.history,
        _area(right.box),
    )  # fmt: skip
    ends = None if right.ends is None else now + right.ends
    await sharing.add_agreement(
        db,
        Agreement(
            0, feed, right.consumer, AgreementState(right.state), f"canary purpose of {feed}",
            "basis", now + right.begins, ends, shape,
        ),
    )  # fmt: skip


async def _readings(db: Db, world: World) -> None:
    rows = [
        Reading(stream.id, one.time, one.value, None, 0, world.now, *(one.position or (None, None)))
        for _, stream in world.streams()
        for one in stream.readings
    ]
    await ledger.ensure_connector(db, CONNECTOR)
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        await ledger.write_batch(db, Batch(CONNECTOR, len(some), some))


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _area(box: tuple[float, float, float, float] | None) -> Area | None:
    if box is None:
        return None
    west, south, east, north = box
    return Area(
        (Position(west, south), Position(east, south), Position(east, north), Position(west, north))
    )
