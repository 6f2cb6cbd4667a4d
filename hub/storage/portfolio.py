"""Business areas, proposals, decisions and platforms, as rows."""

from collections.abc import Iterable
from dataclasses import replace

import asyncpg

from hub.domain.audit import Event
from hub.domain.business_areas import BusinessArea
from hub.domain.decisions import Decision, Member
from hub.domain.platforms import Platform, PlatformState
from hub.domain.proposals import Proposal, ProposalKind, ProposalState
from hub.domain.sharing import Feed
from hub.errors import NotFound
from hub.storage import audit, sharing
from hub.storage.pool import Db, Record
from hub.storage.sql import statement

_AREAS = statement("portfolio", "areas")
_LOCK_AREA = statement("portfolio", "lock_area")
_PUT_AREA = statement("portfolio", "put_area")
_SET_STEWARDS = statement("portfolio", "set_stewards")
_SET_ORGANISATIONS = statement("portfolio", "set_organisations")
_SET_FEEDS = statement("portfolio", "set_feeds")
_OWNERS_IN = statement("portfolio", "owners_in")
_PROPOSALS = statement("portfolio", "proposals")
_PROPOSAL = statement("portfolio", "proposal")
_LOCK_PROPOSAL = statement("portfolio", "lock_proposal")
_INSERT_PROPOSAL = statement("portfolio", "insert_proposal")
_SAVE_PROPOSAL = statement("portfolio", "save_proposal")
_DECISIONS = statement("portfolio", "decisions")
_LOCK_REFERENCE = statement("portfolio", "lock_reference")
_INSERT_DECISION = statement("portfolio", "insert_decision")
_INSERT_MEMBERS = statement("portfolio", "insert_members")
_PLATFORMS = statement("portfolio", "platforms")
_LOCK_PLATFORMS = statement("portfolio", "lock_platforms")
_INTO = statement("portfolio", "into")
_PUT_PLATFORM = statement("portfolio", "put_platform")


class PortfolioFiles:
    """The portfolio as `hub.portfolio` works on it, bound to one transaction."""

    def __init__(self, db: Db) -> None:
        self._db = db

    async def area(self, area_id: str) -> BusinessArea | None:
        return next(iter(await areas(self._db, area_id)), None)

    async def locked_area(self, area_id: str) -> BusinessArea | None:
        """Return a business area as it is once nobody else is changing it."""
        await self._db.execute(_LOCK_AREA, area_id)
        return await self.area(area_id)

    async def owners_in(self, area_id: str) -> set[str]:
        """Return the organisations whose feeds are in a business area."""
        return {row["organisation"] for row in await self._db.fetch(_OWNERS_IN, area_id)}

    async def put_area(self, area: BusinessArea) -> None:
        await self._db.execute(_PUT_AREA, area.id, area.name, area.name_en, area.description)
        for query, members, what in (
            (_SET_STEWARDS, area.stewards, "person"),
            (_SET_ORGANISATIONS, area.organisations, "organisation"),
            (_SET_FEEDS, area.feeds, "feed"),
        ):
            await self._set(query, area.id, members, what)

    async def _set(self, query: str, area_id: str, members: Iterable[str], what: str) -> None:
        try:
            await self._db.execute(query, area_id, sorted(members))
        except asyncpg.ForeignKeyViolationError as error:
            told = ", ".join(f"'{one[:64]}'" for one in sorted(members))
            raise NotFound(f"not each of {told} is a {what} of the hub") from error

    async def feed(self, feed_id: str) -> Feed | None:
        return await sharing.feed(self._db, feed_id)

    async def locked_proposal(self, proposal_id: int) -> Proposal | None:
        await self._db.execute(_LOCK_PROPOSAL, proposal_id)
        return await proposal(self._db, proposal_id)

    async def add_proposal(self, new: Proposal) -> Proposal:
        """Store a proposal; return it with its id."""
        try:
            proposal_id = await self._db.fetchval(
                _INSERT_PROPOSAL, new.area, new.kind, new.title, new.need, new.organisation,
                new.submitted_by, new.submitted_at, new.feed,
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound(f"there is no organisation '{new.organisation}'") from error
        return replace(new, id=proposal_id)

    async def save_proposal(self, changed: Proposal) -> None:
        await self._db.execute(
            _SAVE_PROPOSAL, changed.id, changed.state, changed.assessment, changed.priority,
            changed.answer, changed.decision,
        )  # fmt: skip

    async def decision(self, decision_id: int) -> Decision | None:
        return next(iter(await decisions(self._db, decision_id=decision_id)), None)

    async def locked_reference(self, reference: str) -> Decision | None:
        """Return what is filed under a reference once nobody else is recording it."""
        await self._db.execute(_LOCK_REFERENCE, reference)
        return next(iter(await decisions(self._db, reference=reference)), None)

    async def add_decision(self, new: Decision) -> Decision:
        """Store a decision; return it with its id."""
        try:
            decision_id = await self._db.fetchval(
                _INSERT_DECISION, new.area, new.reference, new.title, new.text, new.decided_on
            )
            names, organisations = zip(
                *((m.name, m.organisation) for m in new.members), strict=True
            )
            await self._db.execute(_INSERT_MEMBERS, decision_id, names, organisations)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound("a member's 'organisation' is not one of the hub's") from error
        return replace(new, id=decision_id)

    async def lock_platforms(self) -> None:
        await self._db.execute(_LOCK_PLATFORMS)

    async def platform(self, platform_id: str) -> Platform | None:
        return next(iter(await platforms(self._db, platform_id=platform_id)), None)

    async def taken_over_by(self, platform_id: str) -> list[str]:
        """Return the platforms that are to be consolidated into this one."""
        return [row["id"] for row in await self._db.fetch(_INTO, platform_id)]

    async def put_platform(self, platform: Platform) -> None:
        try:
            await self._db.execute(
                _PUT_PLATFORM, platform.id, platform.name, platform.organisation,
                platform.description, platform.supplier, platform.contract_until, platform.area,
                platform.state, platform.assessment, platform.into, platform.decision,
            )  # fmt: skip
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFound(f"there is no organisation '{platform.organisation}'") from error

    async def record(self, event: Event) -> None:
        await audit.append(self._db, event)


async def areas(db: Db, area_id: str | None = None) -> list[BusinessArea]:
    """Return one business area, or all of them by id."""
    return [
        BusinessArea(
            row["id"], row["name"], row["name_en"], row["description"],
            frozenset(row["stewards"]), frozenset(row["organisations"]), frozenset(row["feeds"]),
        )
        for row in await db.fetch(_AREAS, area_id)
    ]  # fmt: skip


async def proposal(db: Db, proposal_id: int) -> Proposal | None:
    row = await db.fetchrow(_PROPOSAL, proposal_id)
    return _proposal(row) if row else None


async def proposals(
    db: Db,
    *,
    area: str | None = None,
    state: ProposalState | None = None,
    organisation: str | None = None,
    after: int = 0,
    limit: int,
) -> list[Proposal]:
    """Return proposals by id."""
    rows = await db.fetch(_PROPOSALS, area, state, organisation, after, limit)
    return [_proposal(row) for row in rows]


async def decisions(
    db: Db,
    *,
    decision_id: int | None = None,
    reference: str | None = None,
    area: str | None = None,
    after: int = 0,
    limit: int = 1,
) -> list[Decision]:
    """Return decisions by id."""
    return [
        Decision(
            row["id"], row["reference"], row["title"], row["text"], row["decided_on"],
            tuple(
                Member(name, organisation)
                for name, organisation in zip(row["names"], row["organisations"], strict=True)
            ),
            row["area"],
        )
        for row in await db.fetch(_DECISIONS, decision_id, reference, area, after, limit)
    ]  # fmt: skip


async def platforms(
    db: Db,
    *,
    platform_id: str | None = None,
    organisation: str | None = None,
    area: str | None = None,
    state: PlatformState | None = None,
    after: str = "",
    limit: int = 1,
) -> list[Platform]:
    """Return platforms by id."""
    return [
        Platform(
            row["id"], row["name"], row["organisation"], row["description"], row["supplier"],
            row["contract_until"], row["area"], PlatformState(row["state"]), row["assessment"],
            row["into_platform"], row["decision"],
        )
        for row in await db.fetch(
            _PLATFORMS, platform_id, organisation, area, state, after, limit
        )
    ]  # fmt: skip


def _proposal(row: Record) -> Proposal:
    return Proposal(
        row["id"], row["area"], ProposalKind(row["kind"]), row["title"], row["need"],
        row["organisation"], row["submitted_by"], row["submitted_at"], row["feed"],
        ProposalState(row["state"]), row["assessment"], row["priority"], row["answer"],
        row["decision"],
    )  # fmt: skip
