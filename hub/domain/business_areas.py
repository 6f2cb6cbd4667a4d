"""What is a business area? A part of the city's work that several organisations share.

Not to be taken for `hub.domain.areas`, which are polygons on the map.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BusinessArea:
    """Mobility, environment, …: organisations that work together, and feeds that belong together.

    `stewards` are people, by id; they answer proposals and record decisions.
    """

    id: str
    name: str
    name_en: str = ""
    description: str = ""
    stewards: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    feeds: frozenset[str] = frozenset()
