"""What is shared: feeds, agreements, applications and their keys, as rows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import asyncpg

from hub.domain.sensing import Datastream, Position
from hub.domain.sharing import (
    Agreement,
    AgreementState,
    Feed,
    FeedState,
    Principal,
    ReadRule,
    Scope,
    Shape,
)
from hub.errors import Conflict, NotFound
from hub.storage import places
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_FEED = statement("sharing", "feed")
_READABLE_FEEDS = statement("sharing", "readable_feeds")
_AGREEMENTS = statement("sharing", "agreements")
_ALL_FEEDS = statement("sharing", "all_feeds")
_AGREEMENTS_ABOUT = statement("sharing", "agreements_about")
_APPLICATION = statement("sharing", "application")
_LISTED_FEEDS = statement("sharing", "listed_feeds")
_ALL_AGREEMENTS = statement("sharing", "all_agreements")
_INSERT_FEED = statement("sharing", "insert_feed")
_INSERT_AGREEMENT = statement("sharing", "insert_agreement")
_SET_AGREEMENT_STATE = statement("sharing", "set_agreement_state")
_FEED_DATASTREAMS = statement("sharing", "feed_datastreams")
_INSERT_APPLICATION = statement("sharing", "insert_application")
_INSERT_KEY = statement("sharing", "insert_key")
_KEY = statement("sharing", "key")
_REVOKE_KEY = statement("sharing", "revoke_key")
_PARTIES = statement("sharing", "parties")
_LIST_KEYS = statement("sharing", "list_keys")


async def feed(db: Db, feed_id: str) -> Feed | None:
    row = await db.fetchrow(_FEED, feed_id)
    return feed_of(row) if row else None


async def candidate_feeds(db: Db, organisation: str) -> list[Feed]:
    """Return the feeds that an organisation owns or has an agreement about, its own or public."""
    return [feed_of(row) for row in await db.fetch(_READABLE_FEEDS, organisation)]


async def agreements(db: Db, feeds: Sequence[str], organisation: str) -> list[Agreement]:
    """Return the active agreements about these feeds with an organisation or with everyone."""
    return [_agreement(row) for row in await db.fetch(_AGREEMENTS, list(feeds), organisation)]


async def agreements_about(db: Db, feed_id: str, organisation: str) -> list[Agreement]:
    """Return every agreement but drafts about a feed with an organisation or with everyone."""
    return [_agreement(row) for row in await db.fetch(_AGREEMENTS_ABOUT, feed_id, organisation)]


async def application(db: Db, application_id: str) -> Principal | None:
    """Return an application as it is when it asks, None if there is none of that name."""
    row = await db.fetchrow(_APPLICATION, application_id)
    if row is None:
        return None
    return Principal(row["organisation"], row["id"], frozenset(map(Scope, row["scopes"])))


async def all_feeds(db: Db) -> list[Feed]:
    return [feed_of(row) for row in await db.fetch(_ALL_FEEDS)]


async def listed_feeds(db: Db) -> list[Feed]:
    return [feed_of(row) for row in await db.fetch(_LISTED_FEEDS)]


async def all_agreements(db: Db) -> list[Agreement]:
    return [_agreement(row) for row in await db.fetch(_ALL_AGREEMENTS)]


async def datastreams(db: Db, feed_id: str) -> list[Datastream]:
    """Return what a feed selects at this moment, by datastream id."""
    return [
        Datastream(
            row["id"], row["device"], row["device_name"], row["kind"], row["property"], row["unit"],
            None if row["lon"] is None else Position(row["lon"], row["lat"]), row["moving"],
        )
        for row in await db.fetch(_FEED_DATASTREAMS, feed_id)
    ]  # fmt: skip


async def add_feed(db: Db, new: Feed) -> None:
    try:
        added = await db.fetchval(
            _INSERT_FEED, new.id, new.organisation, new.title, new.description, new.licence,
            new.state, as_list(new.devices), as_list(new.kinds), as_list(new.properties),
            new.listed, as_list(new.tags), places.polygon(new.area), new.title_en,
            new.description_en,
        )  # fmt: skip
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no organisation '{new.organisation}'") from error
    if added is None:
        raise Conflict(f"feed '{new.id}' exists already")


async def add_agreement(db: Db, new: Agreement) -> Agreement:
    """Store an agreement and return it with its id (`new.id` is ignored)."""
    shape = new.shape
    try:
        agreement_id = await db.fetchval(
            _INSERT_AGREEMENT, new.feed, new.consumer, new.state, new.purpose, new.legal_basis,
            new.valid_from, new.valid_until, as_list(shape.properties), shape.finest_resolution,
            shape.delay, shape.position_decimals, shape.history, places.polygon(shape.area),
            shape.min_group,
        )  # fmt: skip
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no feed '{new.feed}' or organisation '{new.consumer}'") from error
    except asyncpg.UniqueViolationError as error:
        raise Conflict(
            f"'{new.consumer}' has an active agreement about feed '{new.feed}' already: "
            "end that one first"
        ) from error
    return replace(new, id=agreement_id)


async def set_agreement_state(db: Db, agreement: int, state: AgreementState) -> None:
    if await db.fetchval(_SET_AGREEMENT_STATE, agreement, state) is None:
        raise NotFound(f"there is no agreement {agreement}")


async def add_application(
    db: Db, application: str, organisation: str, name: str, scopes: frozenset[Scope]
) -> None:
    try:
        added = await db.fetchval(
            _INSERT_APPLICATION, application, organisation, name, sorted(scopes)
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no organisation '{organisation}'") from error
    if added is None:
        raise Conflict(f"application '{application}' exists already")


async def add_key(
    db: Db, application: str, prefix: str, key_hash: bytes, expires_at: datetime | None
) -> None:
    try:
        await db.execute(_INSERT_KEY, prefix, application, key_hash, expires_at)
    except asyncpg.ForeignKeyViolationError as error:
        raise NotFound(f"there is no application '{application}'") from error


async def key(db: Db, prefix: str) -> Record | None:
    """Return hash, state, expires_at and whom a key speaks for: with scopes, or with roles."""
    return await db.fetchrow(_KEY, prefix)


async def revoke_key(db: Db, prefix: str) -> None:
    if await db.fetchval(_REVOKE_KEY, prefix) is None:
        raise NotFound(f"there is no key with the prefix '{prefix}'")


async def organisation_of_key(db: Db, prefix: str) -> str:
    """Return for which organisation a key that exists speaks."""
    row = await key(db, prefix)
    assert row is not None  # noqa: S101  it exists
    organisation: str = row["organisation"]
    return organisation


async def parties(db: Db, agreement: int) -> tuple[str, str]:
    """Return provider and consumer of an agreement that exists."""
    row = await db.fetchrow(_PARTIES, agreement)
    assert row is not None  # noqa: S101  it exists
    return row["provider"], row["consumer"]


async def keys(db: Db) -> list[Record]:
    return await db.fetch(_LIST_KEYS)


def feed_of(row: Record) -> Feed:
    """Return the feed in a row that has its columns."""
    return Feed(
        row["id"], row["organisation"], row["title"], row["description"], row["licence"],
        FeedState(row["state"]), _set(row["devices"]), _set(row["kinds"]), _set(row["properties"]),
        row["listed"], _set(row["tags"]), places.area(row["area"]), row["title_en"],
        row["description_en"], row["retires_at"], row["confidentiality"],
        ReadRule(row["read_log"]),
    )  # fmt: skip


def _agreement(row: Record) -> Agreement:
    return Agreement(
        row["id"], row["feed"], row["consumer"], AgreementState(row["state"]), row["purpose"],
        row["legal_basis"], row["valid_from"], row["valid_until"],
        Shape(
            _set(row["properties"]), row["finest_resolution"], row["delay"],
            row["position_decimals"], row["history"], places.area(row["area"]),
            row["min_group"],
        ),
    )  # fmt: skip


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def as_list(names: frozenset[str] | None) -> list[str] | None:
    """Return names as the store keeps them."""
    return None if names is None else sorted(names)
