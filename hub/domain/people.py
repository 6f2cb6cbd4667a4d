"""Who acts for an organisation, and in which role?"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do for the organisation that gave the role."""

    DATA_OFFICER = "data-officer"  # binds it: feeds, agreements
    TECHNICIAN = "technician"  # devices and their credentials
    STEWARD = "steward"  # prepares feeds and agreements
    AUDITOR = "auditor"  # reads everything that was done, changes nothing
    HUB_ADMINISTRATOR = "hub-administrator"  # organisations, people, operation


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a person in an organisation, or an application of it.

    `id` is how the audit names it: `person:anna`, `application:dashboard`, `operator:root`.
    """

    id: str
    organisation: str | None
    roles: frozenset[Role] = frozenset()


HUB = Actor("hub", None)  # what happens by itself is done by it


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody's step: who, when, why, and under which decision it is filed."""

    actor: Actor
    at: datetime
    reason: str = ""
    decision: str = ""
