"""What else is there in the city that holds sensor data, and what becomes of it?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum


class PlatformState(StrEnum):
    """The last four are conclusions; all but the last may be reconsidered."""

    FOUND = "found"
    ASSESSED = "assessed"
    KEEP = "keep"
    CONNECT = "connect"
    CONSOLIDATE = "consolidate"
    RETIRE = "retire"


class PlatformAction(StrEnum):
    ASSESS = "assess"
    KEEP = "keep"
    CONNECT = "connect"  # it stays, and its data come through the hub
    CONSOLIDATE = "consolidate"  # another platform takes its place
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Platform:
    """A system with sensor data that an organisation runs beside the hub.

    `into` is the platform that takes its place, None for the hub itself.
    """

    id: str
    name: str
    organisation: str
    description: str = ""
    supplier: str = ""
    contract_until: date | None = None
    area: str | None = None
    state: PlatformState = PlatformState.FOUND
    assessment: str = ""
    into: str | None = None
    decision: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What comes with a step: an assessment's text, a decision, a platform that takes over."""

    text: str = ""
    decision: int | None = None
    into: str | None = None


_S, _A = PlatformState, PlatformAction
CONCLUSIONS = frozenset({_A.KEEP, _A.CONNECT, _A.CONSOLIDATE, _A.RETIRE})
GOING = frozenset({_S.CONSOLIDATE, _S.RETIRE})

TRANSITIONS: Mapping[tuple[PlatformState, PlatformAction], PlatformState] = {
    (_S.FOUND, _A.ASSESS): _S.ASSESSED,
    (_S.ASSESSED, _A.ASSESS): _S.ASSESSED,
    **{(_S.ASSESSED, action): _S(action) for action in CONCLUSIONS},
    **{(state, _A.ASSESS): _S.ASSESSED for state in (_S.KEEP, _S.CONNECT, _S.CONSOLIDATE)},
}


class IllegalStep(Exception):  # noqa: N818  a condition, told to whoever tried
    """The platform's state does not allow this; nothing was changed."""


def faults_of(action: PlatformAction, said: Said) -> list[str]:
    """Return what is missing or too much with a step, in sentences."""
    faults = []
    if action is _A.ASSESS and not said.text:
        faults.append("an assessment has a 'text'")
    if action in CONCLUSIONS and said.decision is None:
        faults.append("what becomes of a platform was decided: name the recorded 'decision'")
    if said.into is not None and action is not _A.CONSOLIDATE:
        faults.append("'into' comes with consolidate")
    return faults


def take(platform: Platform, action: PlatformAction, said: Said) -> Platform:
    """Return the platform after a step; raise IllegalStep saying what is allowed.

    Saying again what was said changes nothing. To assess anew takes a conclusion back.
    """
    told = _told(platform, action, said)
    to = TRANSITIONS.get((platform.state, action))
    if to is not None:
        return replace(told, state=to)
    if platform.state == action.value:
        if told == platform:
            return platform
        msg = f"'{action}' was concluded already, in other words: assess it anew"
        raise IllegalStep(msg)
    possible = ", ".join(sorted(a for at, a in TRANSITIONS if at is platform.state))
    msg = (
        f"a platform that is {_IS[platform.state]} cannot be {_DONE[action]}: "
        f"{f'possible is {possible}' if possible else 'that is final'}"
    )
    raise IllegalStep(msg)


_DONE = {
    _A.ASSESS: "assessed",
    _A.KEEP: "kept",
    _A.CONNECT: "connected",
    _A.CONSOLIDATE: "consolidated",
    _A.RETIRE: "retired",
}
_IS = {_S.FOUND: "found", _S.ASSESSED: "assessed"} | {
    _S(action): f"to be {_DONE[action]}" for action in CONCLUSIONS
}


def _told(platform: Platform, action: PlatformAction, said: Said) -> Platform:
    if action is _A.ASSESS:
        return replace(platform, assessment=said.text, into=None, decision=None)
    assessment = said.text or platform.assessment
    return replace(platform, assessment=assessment, into=said.into, decision=said.decision)
