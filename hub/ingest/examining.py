"""What does a message come to? Each of its values becomes a reading, or part of a rejection."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.domain.intake import (
    DEFAULT_LIMITS,
    KEPT_PAYLOAD,
    Arrival,
    Decoded,
    Intake,
    Reason,
    Rejection,
    Undecodable,
)
from hub.domain.registry import Registry
from hub.domain.sensing import Reading
from hub.domain.topics import organisation_of
from hub.errors import BatchRefused
from hub.ingest.acceptance import DEFAULT_CLOCK, ClockRule, accept
from hub.ingest.ports import Decode, Requests

log = logging.getLogger(__name__)

Items = Sequence[Decoded | Undecodable]
SAMPLE = 256  # bytes kept of a message that was refused unread


@dataclass(frozen=True, slots=True)
class Examiner:
    """How one connector judges what arrives, by whatever way: its payload format and its rules.

    `requests` gives what its formats have to ask of those who send.
    """

    decode: Decode
    clock: ClockRule = DEFAULT_CLOCK
    topic_length: int = DEFAULT_LIMITS.topic_length
    requests: Requests = tuple

    def read(self, topic: str, payload: bytes) -> Items:
        """Decode a message. Whatever the bytes are, this gives values or reasons."""
        if len(topic) > self.topic_length:
            told = f"a topic of {len(topic)} characters; it may have {self.topic_length}"
            return [Undecodable(Reason.BAD_TOPIC, told)]
        try:
            return self.decode(topic, payload)
        except Exception:
            # A decoder must not fail. If one does, on bytes that nobody thought of, the message is
            # kept like any other: the broker would deliver it for ever, and nothing behind it.
            log.exception("decoder failed on %d bytes of %s", len(payload), topic)
            return [Undecodable(Reason.DECODER_FAILED, "the decoder failed; see the hub's log")]

    def judge(
        self,
        items: Items,
        topic: str,
        payload: bytes,
        received_at: datetime,
        *,
        registry: Registry,
        arrival: Arrival | None = None,
    ) -> Intake:
        """Sort what was read into readings, and one rejection per reason for the rest."""
        owner = organisation_of(topic)
        if owner is not None:
            items = [_its_own(item, owner, registry) for item in items]
        judged = (accept(item, registry, received_at, self.clock) for item in items)
        return sorted_out(judged, topic, payload, received_at, arrival)


def _its_own(item: Decoded | Undecodable, owner: str, registry: Registry) -> Decoded | Undecodable:
    """Refuse what an organisation hands in for a device of another, as if that did not exist."""
    if isinstance(item, Undecodable):
        return item
    device = registry.devices.get(item.device)
    if device is not None and device.organisation == owner:
        return item
    return Undecodable(Reason.UNKNOWN_DEVICE, f"'{owner}' has no device '{item.device}'")


def sorted_out(
    judged: Iterable[Reading | Undecodable],
    topic: str,
    payload: bytes,
    received_at: datetime,
    arrival: Arrival | None = None,
) -> Intake:
    readings: list[Reading] = []
    refused: dict[Reason, list[str]] = {}
    for item in judged:
        if isinstance(item, Reading):
            readings.append(item)
        else:
            refused.setdefault(item.reason, []).append(item.detail)
    if not refused:
        return Intake(readings, (), arrival)
    rejections = [
        _rejection(topic, payload, received_at, reason, details)
        for reason, details in refused.items()
    ]
    return Intake(readings, rejections, arrival)


def refused_unread(
    reason: Reason, detail: str, topic: str, payload: bytes, received_at: datetime
) -> Intake:
    """Return what a message comes to that nobody looked into: a sample of it is enough."""
    lost = Rejection(topic, received_at, reason, detail, 1, payload[:SAMPLE], len(payload))
    return Intake((), [lost])


def refused_by_store(
    intake: Intake, topic: str, payload: bytes, received_at: datetime, error: BatchRefused
) -> Intake:
    """Return what a message comes to whose readings the store will never take."""
    details = [str(error)] * len(intake.readings)
    lost = _rejection(topic, payload, received_at, Reason.REFUSED_BY_STORE, details)
    return Intake((), [*intake.rejections, lost])


def folded(rejections: Iterable[Rejection]) -> list[Rejection]:
    """Make one rejection of all that one topic sent in excess, or the flood would fill the disk."""
    kept: list[Rejection] = []
    floods: dict[str, Rejection] = {}
    for lost in rejections:
        if lost.reason is not Reason.TOO_MANY_MESSAGES:
            kept.append(lost)
            continue
        first = floods.get(lost.topic)
        floods[lost.topic] = lost if first is None else _together(first, lost)
    return [*kept, *floods.values()]


def _together(first: Rejection, more: Rejection) -> Rejection:
    return replace(
        first,
        readings=first.readings + more.readings,
        payload_bytes=first.payload_bytes + more.payload_bytes,
    )


def _rejection(
    topic: str, payload: bytes, received_at: datetime, reason: Reason, details: list[str]
) -> Rejection:
    """Keep what a message lost for one reason, with as much of its payload as is kept."""
    distinct = list(dict.fromkeys(details))
    told = "; ".join(distinct[:5]) + (f"; and {len(distinct) - 5} more" if distinct[5:] else "")
    kept = payload[:KEPT_PAYLOAD]
    return Rejection(topic, received_at, reason, told, len(details), kept, len(payload))
