"""How an organisation publishes feeds, and takes them back, over HTTP."""

from collections.abc import Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from hub.api.bodies import Body, Polygon
from hub.api.deps import Caller, Connection, FeedId, TheHub
from hub.api.formats import write_time
from hub.api.idempotency import IdempotencyKey, once
from hub.domain.areas import geojson
from hub.domain.feeds import HIGHEST, Card, Classification, FeedFile
from hub.domain.identity import slug
from hub.domain.people import Deed
from hub.domain.sharing import Feed, FeedState, Principal, ReadRule
from hub.errors import BadRequest, NotAuthenticated, NotFound
from hub.sharing import publishing
from hub.storage import feeds
from hub.storage.feeds import FeedFiles

router = APIRouter(prefix="/api/v1/feeds", tags=["publishing"])

Text = Annotated[str, StringConstraints(max_length=2_000)]
Line = Annotated[str, StringConstraints(max_length=200)]
Slug = Annotated[str, AfterValidator(slug)]
Level = Annotated[int, Field(ge=0, le=HIGHEST)]


class Step(StrEnum):
    """What may be done to a feed."""

    CLASSIFY = "classify"
    PUBLISH = "publish"
    DEPRECATE = "deprecate"
    RETIRE = "retire"


class Changes(Body):
    """What a feed selects, what it says of itself, and its management card.

    A selection that is null selects all; devices that match later join by themselves.
    """

    title: Line = ""
    title_en: Line = ""
    description: Text = ""
    description_en: Text = ""
    licence: Line = Field("", description="SPDX id, such as CC0-1.0")
    listed: bool = Field(False, description="others may ask for a right to it")
    devices: list[str] | None = None
    kinds: list[str] | None = None
    properties: list[str] | None = None
    tags: list[str] | None = None
    area: Annotated[Polygon | None, Field(description="a GeoJSON Polygon without holes")] = None
    read_log: Annotated[
        ReadRule, Field(description="which reads go on record, see docs/audit.md")
    ] = ReadRule.NONE
    information_owner: Line = ""
    operator: Line = ""
    support: Line = ""
    service_level: Line = ""
    budget_line: Line = ""
    contacts: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    reason: Text = ""

    def given(self) -> dict[str, Any]:
        """Return what was given and nothing else, as `hub.sharing.publishing` wants it."""
        chosen = {name: getattr(self, name) for name in self.model_fields_set - {"reason", "id"}}
        for name in ("devices", "kinds", "properties", "tags"):
            if chosen.get(name) is not None:
                chosen[name] = frozenset(chosen[name])
        return chosen


class NewFeed(Changes):
    id: Slug
    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class StepBody(Body):
    """Three levels of KLASSA come with `classify`, `retires_at` with `deprecate`."""

    confidentiality: Level | None = None
    integrity: Level | None = None
    availability: Level | None = None
    review_at: AwareDatetime | None = None
    retires_at: AwareDatetime | None = None
    reason: Text = ""
    decision: Line = ""


@router.post("", summary="Draft a feed of your organisation", status_code=HTTPStatus.CREATED)
async def draft_feed(
    request: Request,
    body: NewFeed,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Nobody else sees it before it is classified and published. Needs the role steward."""
    _check_known(caller)
    deed, given = Deed(caller.actor, hub.now(), body.reason), body.given()
    card = Card(**{name: given.pop(name) for name in _CARD & given.keys()})
    texts = {"title": body.title, "description": body.description, "licence": body.licence}
    feed = Feed(
        id=body.id, organisation=caller.organisation, state=FeedState.DRAFT, **{**texts, **given}
    )

    async def work() -> dict[str, Any]:
        return _told(await publishing.draft(FeedFiles(db), deed, FeedFile(feed, card)))

    return await once(
        request, db, caller.actor.id, idempotency_key, work, status=HTTPStatus.CREATED
    )


_CARD = frozenset(Card.__dataclass_fields__)


@router.get("/{feed}/file", summary="A feed of your organisation with everything on file")
async def get_file(feed: FeedId, db: Connection, caller: Caller) -> dict[str, Any]:
    """Return selection, classification and management card, which nobody else sees."""
    _check_known(caller)
    found = await feeds.file_of(db, feed)
    if found is None or found.feed.organisation != caller.organisation:
        raise NotFound(f"your organisation has no feed '{feed[:80]}'")
    return _told(found)


@router.patch("/{feed}", summary="Change a feed's texts, selection or management card")
async def change_feed(
    request: Request,
    feed: FeedId,
    body: Changes,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Only what is given changes. What a classified feed selects is changed by a data officer."""
    _check_known(caller)
    deed = Deed(caller.actor, hub.now(), body.reason)
    if "title" in body.model_fields_set and not body.title.strip():
        raise BadRequest("'title' must not be empty")

    async def work() -> dict[str, Any]:
        return _told(await publishing.change(FeedFiles(db), deed, feed, body.given()))

    return await once(request, db, caller.actor.id, idempotency_key, work)


@router.post("/{feed}:{step}", summary="Classify, publish, deprecate or retire a feed")
async def take_step(
    request: Request,
    feed: Annotated[str, Path(max_length=100)],
    step: Step,
    db: Connection,
    caller: Caller,
    *,
    hub: TheHub,
    body: StepBody | None = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Needs the role data-officer.

    `classify` takes three levels from 0 to 3; a 4 is refused, such information is not shared
    through a hub. `deprecate` takes `retires_at`, a month ahead at least, and warns the consumers.
    An illegal step is 409 and changes nothing.
    """
    _check_known(caller)
    given = body or StepBody()
    deed = Deed(caller.actor, hub.now(), given.reason, given.decision)

    async def work() -> dict[str, Any]:
        files = FeedFiles(db)
        match step:
            case Step.CLASSIFY:
                return _told(await publishing.classify(files, deed, feed, _levels(given, deed)))
            case Step.PUBLISH:
                return _told(await publishing.publish(files, deed, feed))
            case Step.DEPRECATE:
                if given.retires_at is None:
                    raise BadRequest("say when it ends: 'retires_at'")
                return _told(await publishing.deprecate(files, deed, feed, given.retires_at))
            case Step.RETIRE:
                return _told(await publishing.retire(files, deed, feed))

    return await once(request, db, caller.actor.id, idempotency_key, work)


def _levels(given: StepBody, deed: Deed) -> Classification:
    if given.confidentiality is None or given.integrity is None or given.availability is None:
        raise BadRequest("classify by 'confidentiality', 'integrity' and 'availability', each 0-3")
    return Classification(
        given.confidentiality, given.integrity, given.availability, deed.actor.id, deed.at,
        given.decision, given.review_at,
    )  # fmt: skip


def _check_known(caller: Principal) -> None:
    if caller.is_anonymous:
        raise NotAuthenticated("send a key of yours, or of your organisation's application")


def _told(file: FeedFile) -> dict[str, Any]:
    feed, card, decided = file.feed, file.card, file.classification
    return {
        "id": feed.id,
        "organisation": feed.organisation,
        "state": feed.state,
        "title": feed.title,
        "title_en": feed.title_en,
        "description": feed.description,
        "description_en": feed.description_en,
        "licence": feed.licence,
        "listed": feed.listed,
        "read_log": feed.read_log,
        "retires_at": write_time(feed.retires_at) if feed.retires_at else None,
        "selection": {
            "devices": _list(feed.devices),
            "kinds": _list(feed.kinds),
            "properties": _list(feed.properties),
            "tags": _list(feed.tags),
            "area": geojson(feed.area) if feed.area else None,
        },
        "classification": None if decided is None else _classification(decided),
        "card": {
            "information_owner": card.information_owner,
            "operator": card.operator,
            "support": card.support,
            "service_level": card.service_level,
            "budget_line": card.budget_line,
            "contacts": list(card.contacts),
        },
    }


def _classification(decided: Classification) -> dict[str, Any]:
    return {
        "confidentiality": decided.confidentiality,
        "integrity": decided.integrity,
        "availability": decided.availability,
        "decided_by": decided.decided_by,
        "decided_at": write_time(decided.decided_at),
        "decision": decided.decision,
        "review_at": write_time(decided.review_at) if decided.review_at else None,
    }


def _list(names: frozenset[str] | None) -> Sequence[str] | None:
    return None if names is None else sorted(names)
