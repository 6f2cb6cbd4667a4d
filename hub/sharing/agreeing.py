"""How do two organisations come to an agreement, and how does it end? Every step is on record."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Protocol

from hub.domain import audit
from hub.domain.agreements import (
    BINDING,
    DRAFTING,
    REMIND_BEFORE,
    Action,
    Dossier,
    Illegal,
    Reminder,
    Side,
    Terms,
    missing,
    step,
)
from hub.domain.areas import geojson
from hub.domain.audit import Event
from hub.domain.durations import format_duration
from hub.domain.identity import PUBLIC
from hub.domain.people import HUB, Actor, Deed, Role
from hub.domain.sharing import AgreementState, Feed
from hub.errors import BadRequest, Conflict, NotFound, NotPermitted


class Files(Protocol):
    """What negotiating needs of the store; `hub.storage.agreements` is it."""

    async def feed(self, feed_id: str) -> Feed | None: ...
    async def properties(self, feed_id: str) -> set[str]: ...
    async def locked(self, agreement: int) -> Dossier | None: ...
    async def in_force(self, feed: str, consumer: str) -> list[Dossier]: ...
    async def open_version(self, series: int, side: Side) -> int | None: ...
    async def newest_version(self, series: int) -> int: ...
    async def ran_out(self, now: datetime, limit: int) -> list[Dossier]: ...
    async def to_be_reminded(self, before: datetime, limit: int) -> list[Reminder]: ...
    async def reminded(self, agreement: int) -> None: ...
    async def add(self, new: Dossier) -> Dossier: ...
    async def save(self, changed: Dossier) -> None: ...
    async def record(self, event: Event) -> None: ...


async def draft(
    files: Files, deed: Deed, feed_id: str, consumer: str | None, terms: Terms
) -> Dossier:
    """Begin an agreement: the feed's owner names the consumer, a consumer asks for a listed feed.

    Raises NotPermitted without the role, NotFound for a feed that the actor may not know of.
    """
    _check_role(deed.actor, DRAFTING)
    feed = await files.feed(feed_id)
    organisation = deed.actor.organisation
    if feed is None or organisation is None:
        raise _no_feed(feed_id)
    if feed.organisation == organisation:
        if consumer is None or consumer == organisation:
            raise BadRequest("say with whom you would share it: 'consumer' is another organisation")
        side = Side.PROVIDER
    else:
        if not (feed.listed and feed.state.is_served):
            raise _no_feed(feed_id)
        if consumer not in (None, organisation):
            raise BadRequest(f"you act for '{organisation}', so it is the consumer")
        consumer, side = organisation, Side.CONSUMER
    new = Dossier(
        0, None, 1, feed_id, feed.organisation, consumer, AgreementState.DRAFT, side, terms, {}
    )  # fmt: skip
    made = await files.add(new)
    await _record(files, deed, made, "draft", terms=_told(terms))
    return made


async def supersede(files: Files, deed: Deed, agreement: int, terms: Terms | None) -> Dossier:
    """Draft the next version of an agreement in force; it replaces it once it is activated."""
    _check_role(deed.actor, DRAFTING)
    current, side = await _of_actor(files, deed.actor, agreement)
    if current.state not in (AgreementState.ACTIVE, AgreementState.SUSPENDED):
        raise Conflict(f"an agreement that is {current.state} has no next version")
    series = current.series or current.id
    pending = await files.open_version(series, side)
    if pending is not None:
        raise Conflict(f"agreement {pending} is negotiated as its next version already")
    version = await files.newest_version(series) + 1
    fresh = terms or replace(current.terms, valid_from=None)
    made = await files.add(
        replace(
            current,
            id=0,
            series=series,
            version=version,
            state=AgreementState.DRAFT,
            drafted_by=side,
            terms=fresh,
            approvers={},
            notice_given_at=None,
        )
    )
    await _record(files, deed, made, "supersede", supersedes=agreement, terms=_told(made.terms))
    return made


async def act(
    files: Files,
    deed: Deed,
    agreement: int,
    action: Action,
    *,
    terms: Terms | None = None,
    at: datetime | None = None,
) -> Dossier:
    """Take one step with an agreement and return it as it is then.

    `terms` may come with a request or an offer; `at` says when a termination takes effect. Raises
    NotFound to those who have no part in it, NotPermitted without the role, Conflict where its
    state or what is missing does not allow the step; then nothing was changed.
    """
    current, side = await _of_actor(files, deed.actor, agreement)
    _check_role(deed.actor, DRAFTING if _is_own_draft(current, action) else BINDING)
    if terms is not None and action not in (Action.REQUEST, Action.OFFER):
        raise BadRequest("terms change with a request or an offer only")
    try:
        to = step(current.state, action, side, consumer=current.consumer)
    except Illegal as error:
        raise Conflict(str(error)) from error
    if to is current.state and terms is None:
        return current  # it was done already
    changed = replace(current, state=to)
    if action in (Action.REQUEST, Action.OFFER):
        changed = _proposed(changed, deed.actor, side, terms)
    elif action is Action.TERMINATE:
        changed = _terminated(current, changed, deed.at, at)
    else:
        changed = await _prepared(files, deed, changed, action, side)
    await files.save(changed)
    members: dict[str, object] = {"from": current.state, "to": changed.state, "side": side}
    if terms is not None:
        members["terms"] = _told(terms)
    await _record(files, deed, changed, action, **members)
    return changed


async def expire(files: Files, now: datetime, *, limit: int = 100) -> list[Dossier]:
    """End what is over by the clock. Rights end by themselves; this makes the state say so."""
    ended = []
    for found in await files.ran_out(now, limit):
        action = Action.TERMINATE if found.notice_given_at else Action.EXPIRE
        to = AgreementState.TERMINATED if found.notice_given_at else AgreementState.EXPIRED
        changed = replace(found, state=to)
        await files.save(changed)
        await _record(files, Deed(HUB, now), changed, action, **{"from": found.state, "to": to})
        ended.append(changed)
    return ended


async def remind(files: Files, now: datetime, *, limit: int = 100) -> list[Dossier]:
    """Tell both sides, in their audit, what ends or is due for review within a month. Once each."""
    told = []
    for found in await files.to_be_reminded(now + REMIND_BEFORE, limit):
        terms, members = found.dossier.terms, dict[str, object]()
        if found.ends and terms.valid_until is not None:
            members["ends_at"] = terms.valid_until.isoformat()
        if found.review and terms.review_at is not None:
            members["review_at"] = terms.review_at.isoformat()
        await files.reminded(found.dossier.id)
        await _record(files, Deed(HUB, now), found.dossier, "remind", **members)
        told.append(found.dossier)
    return told


def _proposed(changed: Dossier, actor: Actor, side: Side, terms: Terms | None) -> Dossier:
    """Whoever proposes stands behind it; what the other side approved were other terms."""
    approvers: Mapping[Side, str | None] = {side: actor.id, side.other: None}
    return replace(changed, terms=terms or changed.terms, approvers=approvers)


async def _prepared(
    files: Files, deed: Deed, changed: Dossier, action: Action, side: Side
) -> Dossier:
    """Do what belongs to an action beside the new state; raise Conflict if something is missing."""
    if action is Action.ACCEPT:
        accepted = replace(changed, approvers={**changed.approvers, side: deed.actor.id})
        await _check_complete(files, accepted, deed.at)
        return accepted
    if action is Action.ACTIVATE:
        await _check_complete(files, changed, deed.at)
        return await _take_over(files, deed, changed)
    if action is Action.RESUME and _is_over(changed, deed.at):
        raise Conflict("it has run out meanwhile: agree on a next version with :supersede")
    return changed


async def _check_complete(files: Files, dossier: Dossier, now: datetime) -> None:
    feed = await files.feed(dossier.feed)
    if feed is None:
        raise _no_feed(dossier.feed)
    faults = missing(dossier, feed, await files.properties(dossier.feed), now)
    if faults:
        raise Conflict("this cannot be agreed yet: " + "; ".join(faults))


async def _take_over(files: Files, deed: Deed, new: Dossier) -> Dossier:
    """Put an agreement in force in the place of its former version."""
    begins = new.terms.valid_from or deed.at
    for former in await files.in_force(new.feed, new.consumer):
        if former.series != new.series and not _is_over(former, deed.at):
            raise Conflict(
                f"agreement {former.id} is {former.state} between the same two: end it, or agree "
                "on its next version with :supersede"
            )
        if begins > deed.at and not _is_over(former, deed.at):
            raise Conflict(
                f"it begins at {begins.isoformat()} and its former version is in force until it is "
                "activated: activate it then"
            )
        over = _is_over(former, deed.at)
        to = AgreementState.EXPIRED if over else AgreementState.SUPERSEDED
        until = former.terms.valid_until if over else deed.at
        ended = replace(former, state=to, terms=replace(former.terms, valid_until=until))
        await files.save(ended)
        action = Action.EXPIRE if over else Action.REPLACE
        told: dict[str, object] = {"from": former.state, "to": to, "by": new.id}
        await _record(files, Deed(HUB, deed.at), ended, action, **told)
    return replace(new, terms=replace(new.terms, valid_from=begins))


def _terminated(current: Dossier, changed: Dossier, now: datetime, at: datetime | None) -> Dossier:
    """End at once, or give notice: then it stays in force until the term is over."""
    earliest = now + current.terms.notice
    ends = at or earliest
    if ends < earliest:
        raise Conflict(
            f"notice is {format_duration(current.terms.notice)}: it can end on "
            f"{earliest.isoformat()} at the earliest"
        )
    if ends <= now:
        return changed
    until = current.terms.valid_until
    terms = replace(current.terms, valid_until=min(ends, until) if until else ends)
    return replace(current, terms=terms, notice_given_at=now)


def _is_over(dossier: Dossier, now: datetime) -> bool:
    until = dossier.terms.valid_until
    return until is not None and until <= now


async def _of_actor(files: Files, actor: Actor, agreement: int) -> tuple[Dossier, Side]:
    found = await files.locked(agreement)
    if found is None or not found.is_visible_to(actor.organisation):
        raise NotFound(f"your organisation has no part in an agreement {agreement}")
    side = found.side_of(actor.organisation)
    assert side is not None  # noqa: S101  as visible
    return found, side


def _is_own_draft(dossier: Dossier, action: Action) -> bool:
    return dossier.state is AgreementState.DRAFT and action is Action.WITHDRAW


def _check_role(actor: Actor, wanted: frozenset[Role]) -> None:
    if not actor.roles & wanted:
        raise NotPermitted(f"this needs the role {' or '.join(sorted(wanted))}")


def _no_feed(feed_id: str) -> NotFound:
    return NotFound(f"there is no feed '{feed_id}' that you may ask for")


async def _record(
    files: Files, deed: Deed, dossier: Dossier, action: str, **members: object
) -> None:
    concerned = {dossier.provider, dossier.consumer} - {PUBLIC}
    if dossier.state is AgreementState.DRAFT:
        concerned = {dossier.provider if dossier.drafted_by is Side.PROVIDER else dossier.consumer}
    await files.record(
        Event(
            deed.actor.id,
            deed.actor.organisation,
            f"agreement.{action}",
            f"agreement/{dossier.id}",
            frozenset(concerned),
            deed.at,
            deed.reason,
            deed.decision,
            audit.detail(feed=dossier.feed, version=dossier.version, **members),
        )
    )


def _told(terms: Terms) -> dict[str, object]:
    told = asdict(terms)
    shape = told["shape"]
    shape["properties"] = sorted(shape["properties"]) if shape["properties"] is not None else None
    shape["area"] = geojson(terms.shape.area) if terms.shape.area else None
    return told
