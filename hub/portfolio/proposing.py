"""How does a proposal come to its answer?"""

from typing import Protocol

from hub.domain.people import Deed
from hub.domain.proposals import (
    IllegalStep,
    Proposal,
    ProposalAction,
    ProposalKind,
    Said,
    faults_of,
    take,
)
from hub.domain.sharing import Feed
from hub.errors import BadRequest, Conflict, NotFound, NotPermitted
from hub.portfolio import acting
from hub.portfolio.acting import (
    area_of,
    check_is_person,
    check_tends,
    is_administrator,
    put_on_record,
    reference_of,
)


class Files(acting.Files, Protocol):
    """What proposing needs of the store."""

    async def feed(self, feed_id: str) -> Feed | None: ...
    async def locked_proposal(self, proposal_id: int) -> Proposal | None: ...
    async def add_proposal(self, new: Proposal) -> Proposal: ...
    async def save_proposal(self, changed: Proposal) -> None: ...


async def submit(files: Files, deed: Deed, new: Proposal) -> Proposal:
    """Propose something to a business area; its id, state and submitter are set here.

    Anybody may who has a role in an organisation, for that organisation.
    """
    check_is_person(deed.actor)
    organisation = new.organisation
    if not is_administrator(deed.actor) or deed.actor.organisation is not None:
        if not deed.actor.roles or deed.actor.organisation is None:
            raise NotPermitted("this needs a role in an organisation")
        organisation = deed.actor.organisation
    area = await area_of(files, new.area)
    await _check_feed(files, new, organisation)
    made = await files.add_proposal(
        Proposal(
            0, new.area, new.kind, new.title, new.need, organisation, deed.actor.id, deed.at,
            new.feed,
        )
    )  # fmt: skip
    await put_on_record(
        files, deed, "proposal.submit", f"proposal/{made.id}", area.organisations | {organisation},
        kind=made.kind, title=made.title, feed=made.feed,
    )  # fmt: skip
    return made


async def _check_feed(files: Files, new: Proposal, organisation: str) -> None:
    if (new.kind is ProposalKind.SHARE_REQUEST) != (new.feed is not None):
        raise BadRequest("a share request names its 'feed', other proposals have none")
    if new.feed is None:
        return
    feed = await files.feed(new.feed)
    if feed is None or not (feed.listed and feed.state.is_served):
        # In the same words for both, so that nobody learns which feeds there are.
        raise NotFound(f"there is no feed '{new.feed[:64]}' that you may ask for")
    if feed.organisation == organisation:
        raise BadRequest("the feed is your organisation's own: offer an agreement about it")


async def answer(
    files: Files, deed: Deed, proposal_id: int, action: ProposalAction, said: Said
) -> Proposal:
    """Take a step with a proposal, as a steward of its area, and not of one's own proposal."""
    check_is_person(deed.actor)
    found = await files.locked_proposal(proposal_id)
    if found is None:
        raise NotFound(f"there is no proposal {proposal_id}")
    area = await area_of(files, found.area)
    check_tends(deed.actor, area)
    if deed.actor.id == found.submitted_by and deed.actor.organisation is not None:
        raise NotPermitted("you submitted it: somebody else answers")
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
    await files.save_proposal(changed)
    members = {"from": found.state, "to": changed.state, "priority": changed.priority}
    await put_on_record(
        files, deed, f"proposal.{action}", f"proposal/{found.id}",
        area.organisations | {found.organisation}, decision=reference, answer=changed.answer,
        **members,
    )  # fmt: skip
    return changed
