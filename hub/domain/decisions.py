"""What was decided, by whom, and where is it filed?"""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who took part in a decision, as the minutes name them."""

    name: str
    organisation: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of a business area, or (`area` None) of the whole hub; never changed again.

    `reference` is where it is filed, such as `KS 2026/117 § 12`, and unique.
    """

    id: int
    reference: str
    title: str
    text: str
    decided_on: date
    members: tuple[Member, ...]
    area: str | None = None
