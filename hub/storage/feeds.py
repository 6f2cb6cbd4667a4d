"""Feeds with everything on file, as rows."""

from hub.domain.audit import Event
from hub.domain.feeds import Card, Classification, FeedFile
from hub.domain.sharing import FeedState
from hub.storage import audit, places, sharing
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_FILE = statement("feeds", "file")
_LOCK_FEED = statement("feeds", "lock_feed")
_SAVE_FILE = statement("feeds", "save_file")
_CONSUMERS = statement("feeds", "consumers")
_OF_OWNER = statement("feeds", "of_owner")


class FeedFiles:
    """The feeds as `hub.sharing.publishing` works on them, bound to one transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def locked(self, feed_id: str) -> FeedFile | None:
        """Return a feed as it is once nobody else is changing it."""
        await self._db.execute(_LOCK_FEED, feed_id)
        return await file_of(self._db, feed_id)

    async def consumers(self, feed_id: str) -> set[str]:
        """Return the organisations with an agreement about it that is active or suspended."""
        return {row["consumer"] for row in await self._db.fetch(_CONSUMERS, feed_id)}

    async def add(self, new: FeedFile) -> None:
        await sharing.add_feed(self._db, new.feed)
        await self.save(new)

    async def save(self, changed: FeedFile) -> None:
        await self._db.execute(_SAVE_FILE, *_row(changed))

    async def record(self, event: Event) -> None:
        await audit.append(self._db, event)


async def file_of(db: Db, feed_id: str) -> FeedFile | None:
    row = await db.fetchrow(_FILE, feed_id)
    return _file(row) if row else None


async def of_owner(
    db: Db, organisation: str, *, state: FeedState | None, after: str, limit: int
) -> list[FeedFile]:
    """Return what an organisation has on file, in any state, by id."""
    rows = await db.fetch(_OF_OWNER, organisation, state, after, limit)
    found = [await file_of(db, row["id"]) for row in rows]
    return [one for one in found if one is not None]


def _row(file: FeedFile) -> tuple[object, ...]:
    feed, card, decided = file.feed, file.card, file.classification
    return (
        feed.id, feed.title, feed.description, feed.licence, feed.state,
        sharing.as_list(feed.devices), sharing.as_list(feed.kinds),
        sharing.as_list(feed.properties), feed.listed, sharing.as_list(feed.tags),
        places.polygon(feed.area), feed.title_en, feed.description_en, feed.retires_at,
        decided and decided.confidentiality, list(card.contacts), decided and decided.integrity,
        decided and decided.availability, decided and decided.decided_by,
        decided and decided.decided_at, decided.decision if decided else "",
        decided and decided.review_at, card.information_owner, card.operator, card.support,
        card.service_level, card.budget_line, feed.read_log,
    )  # fmt: skip


def _file(row: Record) -> FeedFile:
    card = Card(
        row["information_owner"], row["operator"], row["support"], row["service_level"],
        row["budget_line"], tuple(row["contacts"]),
    )  # fmt: skip
    decided = None
    if row["classified_at"] is not None:
        decided = Classification(
            row["confidentiality"], row["integrity"], row["availability"],
            row["classified_by"] or "", row["classified_at"], row["classified_under"],
            row["classify_again_at"],
        )  # fmt: skip
    return FeedFile(sharing.feed_of(row), card, decided)
