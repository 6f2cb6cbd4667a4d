"""What may happen to a proposal, and what has to be said with it?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

HIGHEST, LOWEST = 1, 5  # priorities


class ProposalKind(StrEnum):
    NEW_FEED = "new-feed"
    NEW_SENSOR = "new-sensor"
    SHARE_REQUEST = "share-request"


class ProposalState(StrEnum):
    SUBMITTED = "submitted"
    ASSESSED = "assessed"
    PRIORITISED = "prioritised"
    PILOTED = "piloted"
    ADOPTED = "adopted"
    DECLINED = "declined"


class ProposalAction(StrEnum):
    ASSESS = "assess"
    PRIORITISE = "prioritise"
    PILOT = "pilot"
    ADOPT = "adopt"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that an organisation wants from a business area.

    `feed` is what a share request is about. `assessment` is for those who work on it, `answer` for
    everyone. `decision` is the id of the decision behind the answer.
    """

    id: int
    area: str
    kind: ProposalKind
    title: str
    need: str
    organisation: str
    submitted_by: str
    submitted_at: datetime
    feed: str | None = None
    state: ProposalState = ProposalState.SUBMITTED
    assessment: str = ""
    priority: int | None = None
    answer: str = ""
    decision: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What comes with a step: the text of an assessment or an answer, a priority, a decision."""

    text: str = ""
    priority: int | None = None
    decision: int | None = None


_S, _A = ProposalState, ProposalAction
TRANSITIONS: Mapping[tuple[ProposalState, ProposalAction], ProposalState] = {
    (_S.SUBMITTED, _A.ASSESS): _S.ASSESSED,
    (_S.ASSESSED, _A.ASSESS): _S.ASSESSED,
    (_S.ASSESSED, _A.PRIORITISE): _S.PRIORITISED,
    (_S.PRIORITISED, _A.PRIORITISE): _S.PRIORITISED,
    (_S.PRIORITISED, _A.PILOT): _S.PILOTED,
    (_S.PILOTED, _A.ADOPT): _S.ADOPTED,
    (_S.SUBMITTED, _A.DECLINE): _S.DECLINED,
    (_S.ASSESSED, _A.DECLINE): _S.DECLINED,
    (_S.PRIORITISED, _A.DECLINE): _S.DECLINED,
    (_S.PILOTED, _A.DECLINE): _S.DECLINED,
}
_DONE = {
    _A.ASSESS: "assessed",
    _A.PRIORITISE: "prioritised",
    _A.PILOT: "piloted",
    _A.ADOPT: "adopted",
    _A.DECLINE: "declined",
}


class IllegalStep(Exception):  # noqa: N818  a condition, told to whoever tried
    """The proposal's state does not allow this; nothing was changed."""


def faults_of(action: ProposalAction, said: Said) -> list[str]:
    """Return what is missing or too much with a step, in sentences."""
    faults = []
    if action in (_A.ADOPT, _A.DECLINE) and not said.text:
        faults.append("everyone reads the answer: give it as 'text'")
    if action is _A.ASSESS and not said.text:
        faults.append("an assessment has a 'text'")
    if action is _A.PRIORITISE:
        if said.priority is None or not HIGHEST <= said.priority <= LOWEST:
            faults.append(f"'priority' is {HIGHEST} (first) to {LOWEST}")
    elif said.priority is not None:
        faults.append("a 'priority' comes with prioritise")
    if action is _A.ADOPT and said.decision is None:
        faults.append("what is adopted was decided: name the recorded 'decision'")
    return faults


def take(proposal: Proposal, action: ProposalAction, said: Said) -> Proposal:
    """Return the proposal after a step; raise IllegalStep saying what is allowed.

    Saying again what was said changes nothing. An assessment and a priority may change as long as
    nothing came of them.
    """
    to = TRANSITIONS.get((proposal.state, action))
    if to is None and _S(_DONE[action]) is proposal.state:
        if _told(proposal, action, said) == proposal:
            return proposal
        msg = f"the proposal was {_DONE[action]} already, in other words"
        raise IllegalStep(msg)
    if to is None:
        possible = ", ".join(sorted(a for at, a in TRANSITIONS if at is proposal.state))
        msg = (
            f"a proposal that is {proposal.state} cannot be {_DONE[action]}: "
            f"{f'possible are {possible}' if possible else 'it has been answered'}"
        )
        raise IllegalStep(msg)
    return replace(_told(proposal, action, said), state=to)


def _told(proposal: Proposal, action: ProposalAction, said: Said) -> Proposal:
    decision = proposal.decision if said.decision is None else said.decision
    match action:
        case _A.ASSESS:
            return replace(proposal, assessment=said.text, decision=decision)
        case _A.PRIORITISE:
            return replace(proposal, priority=said.priority, decision=decision)
        case _A.PILOT:
            # What is said of a pilot is for everyone too, until the answer takes its place.
            answer = said.text or proposal.answer
            return replace(proposal, answer=answer, decision=decision)
        case _A.ADOPT | _A.DECLINE:
            return replace(proposal, answer=said.text, decision=decision)
