"""How does an organisation publish a feed, and take it back? Every step is on record."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from hub.domain import audit
from hub.domain.agreements import BINDING, DRAFTING
from hub.domain.areas import geojson
from hub.domain.audit import Event
from hub.domain.feeds import (
    OPEN_AT_MOST,
    WARNING,
    Classification,
    FeedAction,
    FeedFile,
    IllegalStep,
    faults_of,
    step,
)
from hub.domain.identity import PUBLIC
from hub.domain.people import Actor, Deed, Role
from hub.domain.sharing import Feed, FeedState
from hub.errors import BadRequest, Conflict, NotFound, NotPermitted


class Files(Protocol):
    """What publishing needs of the store; `hub.storage.feeds` is it."""

    async def locked(self, feed_id: str) -> FeedFile | None: ...
    async def consumers(self, feed_id: str) -> set[str]: ...
    async def add(self, new: FeedFile) -> None: ...
    async def save(self, changed: FeedFile) -> None: ...
    async def record(self, event: Event) -> None: ...


# What a feed selects and how it is presented; the state and what goes with it have their steps.
SELECTION = ("devices", "kinds", "properties", "tags", "area")
RULES = ("read_log",)  # what a consumer has to know before it reads
TEXTS = ("title", "description", "title_en", "description_en", "licence", "listed")


async def draft(files: Files, deed: Deed, new: FeedFile) -> FeedFile:
    """Begin a feed of the actor's organisation. Raises NotPermitted without the role."""
    _check_role(deed.actor, DRAFTING)
    if deed.actor.organisation is None:
        raise NotPermitted("feeds belong to organisations: act for one")
    feed = replace(new.feed, organisation=deed.actor.organisation, state=FeedState.DRAFT)
    made = FeedFile(feed, new.card)
    await files.add(made)
    await _record(files, deed, made, "draft", to=_told(feed))
    return made


async def change(files: Files, deed: Deed, feed_id: str, changes: Mapping[str, Any]) -> FeedFile:
    """Change texts, selection or management card.

    Once a feed is classified, what it selects is changed by a data officer: the classification was
    made of what it had then. So is which reads go on record: consumers were told. Raises NotFound
    to other organisations, Conflict when it is retired.
    """
    current = await _of_actor(files, deed.actor, feed_id)
    feed_changes = {n: v for n, v in changes.items() if n in (*SELECTION, *RULES, *TEXTS)}
    binding = (*SELECTION, *RULES)
    selects = any(getattr(current.feed, n) != v for n, v in feed_changes.items() if n in binding)
    is_draft = current.feed.state is FeedState.DRAFT
    _check_role(deed.actor, BINDING if selects and not is_draft else DRAFTING)
    if current.feed.state is FeedState.RETIRED:
        raise Conflict("a feed that is retired is not changed any more")
    card_changes = {n: v for n, v in changes.items() if n not in feed_changes}
    changed = replace(
        current,
        feed=replace(current.feed, **feed_changes),
        card=replace(current.card, **card_changes),
    )
    if changed == current:
        return current
    await files.save(changed)
    await _record(files, deed, changed, "change", to=_told(changed.feed))
    return changed


async def classify(
    files: Files, deed: Deed, feed_id: str, classification: Classification
) -> FeedFile:
    """Decide how much harm it does if the feed is disclosed, altered or missing.

    Raises BadRequest for levels that do not belong here, Conflict where everyone may read it
    already and that would not be right any more.
    """
    faults = faults_of(classification)
    if faults:
        raise BadRequest("; ".join(faults))
    current, to = await _next(files, deed, feed_id, FeedAction.CLASSIFY)
    if classification.confidentiality > OPEN_AT_MOST and PUBLIC in await files.consumers(feed_id):
        raise Conflict(
            f"everyone may read '{feed_id}': end that agreement before its confidentiality is "
            f"{classification.confidentiality}"
        )
    feed = replace(current.feed, state=to, confidentiality=classification.confidentiality)
    changed = replace(current, feed=feed, classification=classification)
    await files.save(changed)
    levels = [
        classification.confidentiality, classification.integrity, classification.availability,
    ]  # fmt: skip
    await _record(
        files, deed, changed, "classify", **{"from": current.feed.state, "klassa": levels}
    )
    return changed


async def publish(files: Files, deed: Deed, feed_id: str) -> FeedFile:
    """Serve a classified feed, or go on serving a deprecated one."""
    current, to = await _next(files, deed, feed_id, FeedAction.PUBLISH)
    return await _moved(files, deed, current, replace(current.feed, state=to, retires_at=None))


async def deprecate(files: Files, deed: Deed, feed_id: str, retires_at: datetime) -> FeedFile:
    """Warn the consumers that a feed will end, and when: they have a month at least."""
    current, to = await _next(files, deed, feed_id, FeedAction.DEPRECATE)
    if retires_at < deed.at + WARNING:
        raise BadRequest(
            f"consumers are warned {WARNING.days} days before: 'retires_at' is "
            f"{(deed.at + WARNING).isoformat(timespec='seconds')} or later"
        )
    return await _moved(
        files, deed, current, replace(current.feed, state=to, retires_at=retires_at)
    )


async def retire(files: Files, deed: Deed, feed_id: str) -> FeedFile:
    """End a feed: at once where nobody else reads it, else when the warning has run out."""
    current, to = await _next(files, deed, feed_id, FeedAction.RETIRE)
    consumers = await files.consumers(feed_id)
    until = current.feed.retires_at
    if consumers and until is not None and deed.at < until:
        raise Conflict(
            f"{len(consumers)} organisations were told that it is served until {until.isoformat()}"
        )
    return await _moved(files, deed, current, replace(current.feed, state=to))


async def _next(
    files: Files, deed: Deed, feed_id: str, action: FeedAction
) -> tuple[FeedFile, FeedState]:
    current = await _of_actor(files, deed.actor, feed_id)
    _check_role(deed.actor, BINDING)
    try:
        return current, step(current.feed.state, action)
    except IllegalStep as error:
        raise Conflict(str(error)) from error


async def _moved(files: Files, deed: Deed, current: FeedFile, feed: Feed) -> FeedFile:
    if feed == current.feed:
        return current  # it was done already
    changed = replace(current, feed=feed)
    await files.save(changed)
    members: dict[str, object] = {"from": current.feed.state, "to": feed.state}
    if feed.retires_at is not None:
        members["retires_at"] = feed.retires_at.isoformat()
    await _record(files, deed, changed, _ACTIONS[feed.state], **members)
    return changed


_ACTIONS = {
    FeedState.PUBLISHED: "publish",
    FeedState.DEPRECATED: "deprecate",
    FeedState.RETIRED: "retire",
}


async def _of_actor(files: Files, actor: Actor, feed_id: str) -> FeedFile:
    found = await files.locked(feed_id)
    if found is None or found.feed.organisation != actor.organisation:
        raise NotFound(f"your organisation has no feed '{feed_id}'")
    return found


def _check_role(actor: Actor, wanted: frozenset[Role]) -> None:
    if not actor.roles & wanted:
        raise NotPermitted(f"this needs the role {' or '.join(sorted(wanted))}")


async def _record(files: Files, deed: Deed, file: FeedFile, action: str, **members: object) -> None:
    """Put it on record, for the consumers too where it concerns what they read."""
    feed = file.feed
    concerned = {feed.organisation}
    if feed.state not in (FeedState.DRAFT, FeedState.CLASSIFIED):
        concerned |= await files.consumers(feed.id)
    await files.record(
        Event(
            deed.actor.id,
            deed.actor.organisation,
            f"feed.{action}",
            f"feed/{feed.id}",
            frozenset(concerned - {PUBLIC}),
            deed.at,
            deed.reason,
            deed.decision,
            audit.detail(**members),
        )
    )


def _told(feed: Feed) -> dict[str, object]:
    """Write what a feed selects and says of itself."""
    told: dict[str, object] = {name: getattr(feed, name) for name in (*SELECTION, *RULES, *TEXTS)}
    for name in SELECTION:
        chosen = told[name]
        if isinstance(chosen, frozenset):
            told[name] = sorted(chosen)
    told["area"] = geojson(feed.area) if feed.area else None
    return told
