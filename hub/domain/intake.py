"""What arrived, what was made of it, and what is stored together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from hub.domain.sensing import Position, Reading

MIB = 1024 * 1024

# Nothing that is measured is larger, and sums of squares of what is smaller stay finite: one absurd
# value must not spoil everybody's aggregates.
MAGNITUDE = 1e100


class Reason(StrEnum):
    """Why a message or a reading could not be accepted."""

    NOT_JSON = "not_json"
    NOT_CBOR = "not_cbor"
    NOT_PROTOBUF = "not_protobuf"
    NOT_TEXT = "not_text"
    DUPLICATE_KEY = "duplicate_key"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_VALUES = "too_many_values"
    EMPTY = "empty"
    WRONG_SHAPE = "wrong_shape"
    UNKNOWN_FIELD = "unknown_field"
    BAD_TOPIC = "bad_topic"
    BAD_NAME = "bad_name"
    WRONG_DEVICE = "wrong_device"
    BAD_TIME = "bad_time"
    TIME_WITHOUT_OFFSET = "time_without_offset"
    TIME_TOO_OLD = "time_too_old"
    TIME_IN_FUTURE = "time_in_future"
    BAD_VALUE = "bad_value"
    WRONG_TYPE = "wrong_type"
    BAD_POSITION = "bad_position"
    UNKNOWN_DEVICE = "unknown_device"
    UNKNOWN_PROPERTY = "unknown_property"
    UNKNOWN_ALIAS = "unknown_alias"
    UNKNOWN_UNIT = "unknown_unit"
    WRONG_DIMENSION = "wrong_dimension"
    DEVICE_NOT_REPORTING = "device_not_reporting"
    RETAINED = "retained"
    REFUSED_BY_STORE = "refused_by_store"
    DECODER_FAILED = "decoder_failed"
    TOO_MANY_MESSAGES = "too_many_messages"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message may hold before it is refused whole."""

    payload_bytes: int = 256 * 1024
    values_per_message: int = 5_000
    depth: int = 16  # of lists and objects in one another
    topic_length: int = 256  # characters
    text_length: int = 1_000  # characters of a result that is a text


DEFAULT_LIMITS = Limits()


class Decoded(NamedTuple):
    """One value as the device named it, before the registry has been asked."""

    device: str
    property: str
    time: datetime | timedelta | None  # None: when the hub received it; timedelta: so much later
    value: float | str
    position: Position | None
    unit: str | None = None  # UCUM, as it was sent; None: the observed property's


class Undecodable(NamedTuple):
    """A message, or the part of one, that could not be read. Counts as one reading received."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """What of one message could not be accepted for one reason, kept with its payload.

    `readings` counts how many readings the message lost for this reason. `payload` holds the
    first `KEPT_PAYLOAD` bytes; `payload_bytes` is the length that arrived.
    """

    topic: str
    received_at: datetime
    reason: Reason
    detail: str
    readings: int
    payload: bytes
    payload_bytes: int


KEPT_PAYLOAD = 256 * 1024  # as much as a message may hold by default, so that it can be replayed


class Arrival(NamedTuple):
    """When a message without a time of its own first arrived, and how to know it again."""

    session: str
    packet_id: int
    digest: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Intake:
    """What one message came to: received = readings + what its rejections count.

    `arrival` is set where the time of arrival became a reading's time.
    """

    readings: Sequence[Reading]
    rejections: Sequence[Rejection] = ()
    arrival: Arrival | None = None

    @property
    def received(self) -> int:
        return len(self.readings) + sum(rejection.readings for rejection in self.rejections)


@dataclass(frozen=True, slots=True)
class Batch:
    """The readings and rejections of one commit: the unit of acknowledgement and accounting."""

    connector: str
    messages: int
    readings: Sequence[Reading]
    rejections: Sequence[Rejection] = ()
    arrivals: Sequence[Arrival] = ()

    @property
    def rejected(self) -> int:
        return sum(rejection.readings for rejection in self.rejections)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the store made of a batch: received = stored + duplicates + rejected.

    `overwritten` says how many of `stored` replaced a reading that was there before.
    """

    stored: int
    duplicates: int
    rejected: int
    overwritten: int = 0

    @property
    def received(self) -> int:
        return self.stored + self.duplicates + self.rejected


def clean(text: str, length: int = 500) -> str:
    """Return `text` as the store can hold it: bounded, without NUL and lone surrogates."""
    kept = text[:length].replace("\x00", "\\0")
    return kept.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed in over HTTP, by or for a device.

    `device` None: for any of the organisation's. `format` None: what the media type means.
    """

    payload: bytes
    device: str | None
    organisation: str | None = None
    format: str | None = None
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one payload that was handed in directly: committed when this exists."""

    outcome: Outcome
    rejections: Sequence[Rejection]


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of replayed messages: it adds up like any other input.

    `last` is the newest rejection that was looked at, `until` the newest there was to look at.
    """

    messages: int = 0
    stored: int = 0
    duplicates: int = 0
    rejected: int = 0
    last: int = 0
    until: int = 0

    def __add__(self, more: "Replayed") -> "Replayed":
        return Replayed(
            self.messages + more.messages,
            self.stored + more.stored,
            self.duplicates + more.duplicates,
            self.rejected + more.rejected,
            more.last,
            more.until,
        )
