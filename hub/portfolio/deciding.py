"""How is a decision recorded? Once, with who took part and where it is filed."""

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from hub.domain.decisions import Decision
from hub.domain.people import Deed
from hub.errors import BadRequest, Conflict, NotPermitted
from hub.portfolio import acting
from hub.portfolio.acting import (
    area_of,
    check_is_person,
    check_tends,
    is_administrator,
    put_on_record,
)

TOMORROW = timedelta(days=1)  # it may be tomorrow already where the meeting was


class Files(acting.Files, Protocol):
    """What deciding needs of the store."""

    async def locked_reference(self, reference: str) -> Decision | None: ...
    async def add_decision(self, new: Decision) -> Decision: ...


async def record(files: Files, deed: Deed, new: Decision) -> Decision:
    """Record a decision; its id is ignored. Recording the same again changes nothing.

    Raises Conflict where another decision is filed under this reference.
    """
    check_is_person(deed.actor)
    concerned: frozenset[str] = frozenset(m.organisation for m in new.members if m.organisation)
    if new.area is not None:
        area = await area_of(files, new.area)
        check_tends(deed.actor, area)
        concerned |= area.organisations
    elif not is_administrator(deed.actor):
        raise NotPermitted("what is decided for all of the hub is recorded by its administrators")
    if not new.members:
        raise BadRequest("a decision has 'members': who took part in it")
    if new.decided_on > (deed.at + TOMORROW).date():
        raise BadRequest(f"'decided_on' ({new.decided_on}) is yet to come")
    known = await files.locked_reference(new.reference)
    if known is not None:
        if replace(new, id=known.id) == known:
            return known
        raise Conflict(
            f"decision {known.id} is filed under '{new.reference}' and is not changed: record a "
            "new one with a reference of its own"
        )
    made = await files.add_decision(new)
    await put_on_record(
        files, deed, "decision.record", f"decision/{made.id}", concerned, decision=made.reference,
        title=made.title, decided_on=made.decided_on, members=[m.name for m in made.members],
    )  # fmt: skip
    return made
