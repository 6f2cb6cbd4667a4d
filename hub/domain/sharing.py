"""Who shares what with whom, and in which shape."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.areas import Area
from hub.domain.people import Actor, Role


class Scope(StrEnum):
    """What an application may do with its key."""

    READ = "feeds:read"
    WRITE = "readings:write"
    OPERATE = "hub:operate"
    MANAGE = "devices:manage"


class FeedState(StrEnum):
    DRAFT = "draft"
    CLASSIFIED = "classified"
    PUBLISHED = "published"
    DEPRECATED = "deprecated"
    RETIRED = "retired"

    @property
    def is_served(self) -> bool:
        return self in (FeedState.PUBLISHED, FeedState.DEPRECATED)


class ReadRule(StrEnum):
    """What goes on record when somebody reads a feed."""

    NONE = "none"
    METADATA = "metadata"  # who, in which hour, how
    FULL = "full"  # every delivery, with what was asked


class AgreementState(StrEnum):
    """The states of an agreement; only `ACTIVE` gives a right. See hub.domain.agreements."""

    DRAFT = "draft"
    REQUESTED = "requested"
    OFFERED = "offered"
    AGREED = "agreed"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    REVOKED = "revoked"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Shape:
    """What a right lets through. Every field that is None lets everything through.

    `finest_resolution`: only aggregates over whole buckets of at least this width.
    `delay`: nothing younger than this. `history`: nothing older than this.
    `position_decimals`: positions rounded to so many decimals of a degree (3 is about 100 m).
    `area`: only what was measured within it.
    `min_group`: only means over all devices of the feed together, never of fewer than so many; in
    buckets of exactly the `finest_resolution`.
    """

    properties: frozenset[str] | None = None
    finest_resolution: timedelta | None = None
    delay: timedelta = timedelta()
    position_decimals: int | None = None
    history: timedelta | None = None
    area: Area | None = None
    min_group: int | None = None


EVERYTHING = Shape()


@dataclass(frozen=True, slots=True)
class Feed:
    """A data product that an organisation publishes: a selection of its datastreams.

    `devices`, `kinds`, `properties`, `tags` and `area` select; None selects all. Devices that match
    later join by themselves. `title` and `description` are Swedish or what the city speaks, beside
    them stands the English. `retires_at`: until when a deprecated feed is served.
    """

    id: str
    organisation: str
    title: str
    description: str
    licence: str
    state: FeedState
    devices: frozenset[str] | None = None
    kinds: frozenset[str] | None = None
    properties: frozenset[str] | None = None
    listed: bool = False  # may be asked for by those who have no right to it yet
    tags: frozenset[str] | None = None
    area: Area | None = None
    title_en: str = ""
    description_en: str = ""
    retires_at: datetime | None = None
    confidentiality: int | None = None  # KLASSA; None: not classified
    read_log: ReadRule = ReadRule.NONE


@dataclass(frozen=True, slots=True)
class Agreement:
    """One organisation's right to another's feed."""

    id: int
    feed: str
    consumer: str
    state: AgreementState
    purpose: str
    legal_basis: str
    valid_from: datetime
    valid_until: datetime | None
    shape: Shape = EVERYTHING

    def is_in_force(self, now: datetime) -> bool:
        if self.state is not AgreementState.ACTIVE or now < self.valid_from:
            return False
        return self.valid_until is None or now < self.valid_until


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an application or a person of an organisation, or anyone at all."""

    organisation: str
    application: str | None = None
    scopes: frozenset[Scope] = frozenset()
    person: str | None = None
    roles: frozenset[Role] = frozenset()

    @property
    def is_anonymous(self) -> bool:
        return self.application is None and self.person is None

    @property
    def actor(self) -> Actor:
        """Return who acts, as the audit names it."""
        who = f"person:{self.person}" if self.person else f"application:{self.application}"
        # To manage devices is what a technician does.
        manages = {Role.TECHNICIAN} if Scope.MANAGE in self.scopes else set()
        return Actor(who, self.organisation, self.roles | manages)


@dataclass(frozen=True, slots=True)
class Grant:
    """The effective right of one organisation to one feed at one instant; always derived."""

    feed: Feed
    shape: Shape
    agreement: int | None  # None: the feed is the organisation's own
    ends_at: datetime | None

    @property
    def areas(self) -> tuple[Area, ...]:
        """Return what every reading must lie within: the feed's area and the agreement's."""
        return tuple(area for area in (self.feed.area, self.shape.area) if area is not None)
