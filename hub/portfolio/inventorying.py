"""How does a platform get into the inventory, and what becomes of it?"""

from dataclasses import replace
from typing import Protocol

from hub.domain.agreements import BINDING, DRAFTING
from hub.domain.business_areas import BusinessArea
from hub.domain.people import Actor, Deed, Role
from hub.domain.platforms import (
    CONCLUSIONS,
    GOING,
    IllegalStep,
    Platform,
    PlatformAction,
    Said,
    faults_of,
    take,
)
from hub.errors import BadRequest, Conflict, NotFound, NotPermitted
from hub.portfolio import acting
from hub.portfolio.acting import (
    area_of,
    check_is_person,
    is_administrator,
    put_on_record,
    reference_of,
    tends,
)

REGISTERING = DRAFTING | {Role.TECHNICIAN}


class Files(acting.Files, Protocol):
    """What the inventory needs of the store."""

    async def lock_platforms(self) -> None: ...
    async def platform(self, platform_id: str) -> Platform | None: ...
    async def put_platform(self, platform: Platform) -> None: ...
    async def taken_over_by(self, platform_id: str) -> list[str]: ...


async def put_platform(files: Files, deed: Deed, wanted: Platform) -> Platform:
    """Enter a platform, or correct what is said of it; its state has its own steps.

    The organisation that runs it may, the stewards of its area, and who answers for the hub. Whose
    it is never changes.
    """
    check_is_person(deed.actor)
    await files.lock_platforms()
    current = await files.platform(wanted.id)
    if current is not None:
        if wanted.organisation != current.organisation:
            raise Conflict(f"platform '{wanted.id}' is one of '{current.organisation}'")
        wanted = replace(
            wanted, state=current.state, assessment=current.assessment, into=current.into,
            decision=current.decision,
        )  # fmt: skip
    # Nobody moves a platform into an area of theirs to get hold of it.
    area = await _area(files, (current or wanted).area)
    if wanted.area is not None:
        await area_of(files, wanted.area)
    _check_may(deed.actor, wanted.organisation, area, REGISTERING)
    if wanted == current:
        return current
    await files.put_platform(wanted)
    await put_on_record(
        files, deed, "platform.change" if current else "platform.find",
        f"platform/{wanted.id}", frozenset({wanted.organisation}), name=wanted.name,
        supplier=wanted.supplier, contract_until=wanted.contract_until, area=wanted.area,
    )  # fmt: skip
    return wanted


async def act(
    files: Files, deed: Deed, platform_id: str, action: PlatformAction, said: Said
) -> Platform:
    """Assess a platform, or conclude what becomes of it.

    Stewards of its area assess, and its organisation; only that one's data officer concludes, and
    who answers for the hub: it is their system.
    """
    check_is_person(deed.actor)
    await files.lock_platforms()
    found = await files.platform(platform_id)
    if found is None:
        raise NotFound(f"there is no platform '{platform_id[:64]}'")
    concludes = action in CONCLUSIONS
    area = None if concludes else await _area(files, found.area)
    _check_may(deed.actor, found.organisation, area, BINDING if concludes else DRAFTING)
    faults = faults_of(action, said)
    if faults:
        raise BadRequest("; ".join(faults))
    try:
        changed = take(found, action, said)
    except IllegalStep as error:
        raise Conflict(str(error)) from error
    if changed == found:
        return found
    reference = await reference_of(files, said.decision, found.area)
    await _check_succession(files, changed)
    await files.put_platform(changed)
    members = {"from": found.state, "to": changed.state, "into": changed.into}
    await put_on_record(
        files, deed, f"platform.{action}", f"platform/{found.id}",
        frozenset({found.organisation}), decision=reference, assessment=changed.assessment,
        **members,
    )  # fmt: skip
    return changed


async def _check_succession(files: Files, changed: Platform) -> None:
    """Let nothing be consolidated into what goes itself."""
    if changed.state in GOING:
        others = await files.taken_over_by(changed.id)
        if others:
            raise Conflict(f"{', '.join(others)} is to be consolidated into it: assess that anew")
    if changed.into is None:
        return
    into = await files.platform(changed.into)
    if into is None:
        raise BadRequest(f"there is no platform '{changed.into[:64]}' to consolidate it into")
    if into.id == changed.id:
        raise BadRequest("a platform cannot be consolidated into itself")
    if into.state in GOING:
        raise Conflict(f"'{into.id}' goes itself: consolidate into what takes its place")


async def _area(files: Files, area_id: str | None) -> BusinessArea | None:
    return None if area_id is None else await area_of(files, area_id)


def _check_may(
    actor: Actor, organisation: str, area: BusinessArea | None, roles: frozenset[Role]
) -> None:
    if is_administrator(actor) or (area is not None and tends(actor, area)):
        return
    if actor.organisation != organisation:
        raise NotPermitted(f"this is for '{organisation}', whose platform it is")
    if not actor.roles & roles:
        raise NotPermitted(f"this needs the role {' or '.join(sorted(roles))}")
