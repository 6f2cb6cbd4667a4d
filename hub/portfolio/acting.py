"""Who may act for a business area, and how does it go on record?"""

from typing import Protocol

from hub.domain import audit
from hub.domain.audit import Event
from hub.domain.business_areas import BusinessArea
from hub.domain.decisions import Decision
from hub.domain.people import Actor, Deed, Role
from hub.errors import BadRequest, NotFound, NotPermitted


class Files(Protocol):
    """What all of the portfolio needs of the store; `hub.storage.portfolio` is it."""

    async def area(self, area_id: str) -> BusinessArea | None: ...
    async def decision(self, decision_id: int) -> Decision | None: ...
    async def record(self, event: Event) -> None: ...


def is_administrator(actor: Actor) -> bool:
    """Tell whether somebody answers for all of the hub, or has access to the machine."""
    operates = actor.organisation is None and actor.id.startswith("operator:")
    return operates or Role.HUB_ADMINISTRATOR in actor.roles


def is_steward(actor: Actor, area: BusinessArea) -> bool:
    return actor.id in {f"person:{steward}" for steward in area.stewards}


def tends(actor: Actor, area: BusinessArea) -> bool:
    """Tell whether somebody acts for a business area: its stewards, and who answers for all."""
    return is_steward(actor, area) or is_administrator(actor)


def check_tends(actor: Actor, area: BusinessArea) -> None:
    if not tends(actor, area):
        raise NotPermitted(f"this is for the stewards of the business area '{area.id}'")


def check_is_person(actor: Actor) -> None:
    """Let people act, and nobody's programs."""
    if actor.id.startswith("application:"):
        raise NotPermitted("people act here: send a key of a person")


async def area_of(files: Files, area_id: str) -> BusinessArea:
    found = await files.area(area_id)
    if found is None:
        raise NotFound(f"there is no business area '{area_id[:64]}'")
    return found


async def reference_of(files: Files, decision_id: int | None, area: str | None) -> str:
    """Return where a decision is filed that may stand behind a step in an area.

    Raises BadRequest for one that is not recorded, or of another area.
    """
    if decision_id is None:
        return ""
    found = await files.decision(decision_id)
    if found is None:
        raise BadRequest(f"no decision {decision_id} is recorded: record it first")
    if found.area not in (None, area):
        raise BadRequest(f"decision {decision_id} is one of the business area '{found.area}'")
    return found.reference


async def put_on_record(
    files: Files,
    deed: Deed,
    action: str,
    subject: str,
    concerned: frozenset[str],
    *,
    decision: str = "",
    **members: object,
) -> None:
    await files.record(
        Event(
            deed.actor.id, deed.actor.organisation, action, subject, concerned, deed.at,
            deed.reason, decision or deed.decision, audit.detail(**members),
        )
    )  # fmt: skip
