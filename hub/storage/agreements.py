"""Agreements with everything on file, as rows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import asyncpg

from hub.domain.agreements import Dossier, Reminder, Side, Terms
from hub.domain.audit import Event
from hub.domain.sharing import AgreementState, Feed, Shape
from hub.errors import NotFound
from hub.storage import audit, places, sharing
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_DOSSIER = statement("agreements", "dossier")
_LOCK_DOSSIER = statement("agreements", "lock_dossier")
_IN_FORCE = statement("agreements", "in_force")
_OPEN_VERSION = statement("agreements", "open_version")
_NEWEST_VERSION = statement("agreements", "newest_version")
_OF_ORGANISATION = statement("agreements", "of_organisation")
_RAN_OUT = statement("agreements", "ran_out")
_TO_BE_REMINDED = statement("agreements", "to_be_reminded")
_REMINDED = statement("agreements", "reminded")
_INSERT_DOSSIER = statement("agreements", "insert_dossier")
_SAVE_DOSSIER = statement("agreements", "save_dossier")


class AgreementFiles:
    """The agreements as `hub.sharing.agreeing` works on them, bound to one transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def feed(self, feed_id: str) -> Feed | None:
        return await sharing.feed(self._db, feed_id)

    async def properties(self, feed_id: str) -> set[str]:
        return {stream.property for stream in await sharing.datastreams(self._db, feed_id)}

    async def locked(self, agreement: int) -> Dossier | None:
        """Return an agreement as it is once nobody else is changing it, or its versions."""
        await self._db.execute(_LOCK_DOSSIER, agreement)
        return await dossier(self._db, agreement)

    async def in_force(self, feed: str, consumer: str) -> list[Dossier]:
        """Return what is active or suspended between these two about this feed."""
        found = [row["id"] for row in await self._db.fetch(_IN_FORCE, feed, consumer)]
        return await dossiers(self._db, found)

    async def open_version(self, series: int, side: Side) -> int | None:
        """Return the version of a series that a side knows to be under negotiation, if any."""
        found: int | None = await self._db.fetchval(_OPEN_VERSION, series, side)
        return found

    async def newest_version(self, series: int) -> int:
        newest: int = await self._db.fetchval(_NEWEST_VERSION, series)
        return newest

    async def ran_out(self, now: datetime, limit: int) -> list[Dossier]:
        """Return what is in force by its state and over by the clock."""
        found = [row["id"] for row in await self._db.fetch(_RAN_OUT, now, limit)]
        return await dossiers(self._db, found)

    async def to_be_reminded(self, before: datetime, limit: int) -> list[Reminder]:
        """Return what ends or is due for review before then, and was not told of that date yet."""
        rows = await self._db.fetch(_TO_BE_REMINDED, before, limit)
        found = await dossiers(self._db, [row["id"] for row in rows])
        return [
            Reminder(one, row["ends"], row["review"]) for one, row in zip(found, rows, strict=True)
        ]

    async def reminded(self, agreement: int) -> None:
        await self._db.execute(_REMINDED, agreement)

    async def add(self, new: Dossier) -> Dossier:
        """Store a new version; return it with its id and series."""
        try:
            agreement = await self._db.fetchval(
                _INSERT_DOSSIER, new.series, new.version, new.feed, new.consumer, new.state,
                new.drafted_by, *_terms_row(new.terms),
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound(f"there is no organisation '{new.consumer}'") from error
        return replace(new, id=agreement, series=new.series or agreement)

    async def save(self, changed: Dossier) -> None:
        await self._db.execute(
            _SAVE_DOSSIER, changed.id, changed.state, *_terms_row(changed.terms),
            changed.approvers.get(Side.PROVIDER), changed.approvers.get(Side.CONSUMER),
            changed.notice_given_at,
        )  # fmt: skip

    async def record(self, event: Event) -> None:
        await audit.append(self._db, event)


async def dossier(db: Db, agreement: int) -> Dossier | None:
    row = await db.fetchrow(_DOSSIER, agreement)
    return _dossier(row) if row else None


async def dossiers(db: Db, agreements: Sequence[int]) -> list[Dossier]:
    found = [await dossier(db, agreement) for agreement in agreements]
    return [one for one in found if one is not None]


async def of_organisation(
    db: Db,
    organisation: str,
    *,
    state: AgreementState | None,
    feed: str | None,
    after: int,
    limit: int,
) -> list[Dossier]:
    """Return what an organisation provides or consumes and may know of, by id."""
    rows = await db.fetch(_OF_ORGANISATION, organisation, state, feed, after, limit)
    return await dossiers(db, [row["id"] for row in rows])


def _terms_row(terms: Terms) -> tuple[object, ...]:
    shape = terms.shape
    return (
        terms.purpose, terms.legal_basis, terms.valid_from, terms.valid_until,
        None if shape.properties is None else sorted(shape.properties), shape.finest_resolution,
        shape.delay, shape.position_decimals, shape.history, terms.review_at, terms.notice,
        terms.onward_sharing, terms.cost_share, terms.decision, places.polygon(shape.area),
        shape.min_group,
    )  # fmt: skip


def _dossier(row: Record) -> Dossier:
    properties = row["properties"]
    shape = Shape(
        None if properties is None else frozenset(properties), row["finest_resolution"],
        row["delay"], row["position_decimals"], row["history"], places.area(row["area"]),
        row["min_group"],
    )  # fmt: skip
    terms = Terms(
        row["purpose"], row["legal_basis"], shape, row["valid_from"], row["valid_until"],
        row["review_at"], row["notice"], row["onward_sharing"], row["cost_share"], row["decision"],
    )  # fmt: skip
    approvers = {
        Side.PROVIDER: row["provider_approver"],
        Side.CONSUMER: row["consumer_approver"],
    }
    return Dossier(
        row["id"], row["series"], row["version"], row["feed"], row["provider"], row["consumer"],
        AgreementState(row["state"]), Side(row["drafted_by"]), terms, approvers,
        row["notice_given_at"],
    )  # fmt: skip
