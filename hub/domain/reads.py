"""What goes on record when somebody reads a feed that asks for it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from hub.domain.audit import Event, detail
from hub.domain.durations import bucket_floor, format_duration
from hub.domain.identity import PUBLIC
from hub.domain.queries import ReadingQuery, Row, ShapedQuery
from hub.domain.sharing import Grant, Principal, ReadRule

HOUR = timedelta(hours=1)


class Way(StrEnum):
    """Which of its three functions the gate was asked by."""

    READINGS = "readings"
    LATEST = "latest"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Read:
    """Rows that are about to be delivered: to whom, by which right, in answer to what."""

    reader: Principal
    grant: Grant
    way: Way
    asked: ReadingQuery
    answered: ShapedQuery
    rows: Sequence[Row]
    at: datetime

    @property
    def rule(self) -> ReadRule:
        return self.grant.feed.read_log

    @property
    def covers(self) -> tuple[object, ...] | None:
        """Return what is the same for all reads that one event tells of; None if it is only this.

        Metadata tell who read in which hour and how: the first read of an hour stands for the rest.
        """
        if self.rule is ReadRule.FULL:
            return None
        who, grant, hour = self.reader.actor, self.grant, bucket_floor(self.at, HOUR)
        return who.id, who.organisation, grant.feed.id, grant.agreement, self.way, hour


def event_of(read: Read) -> Event:
    """Return the event that tells of a read, to its provider and its consumer."""
    feed, reader = read.grant.feed, read.reader
    members: dict[str, object] = {
        "rule": read.rule,
        "way": read.way,
        "agreement": read.grant.agreement,
    }
    if read.rule is ReadRule.FULL:
        members |= _question(read)
    else:
        members["until"] = (bucket_floor(read.at, HOUR) + HOUR).isoformat()
    return Event(
        reader.actor.id,
        reader.organisation,
        "feed.read",
        f"feed/{feed.id}",
        frozenset({feed.organisation, reader.organisation} - {PUBLIC}),
        read.at,
        detail=detail(**members),
    )


def _question(read: Read) -> dict[str, object]:
    """Return what was asked, as far as it narrows what the right lets through, and what came."""
    asked, answered = read.asked, read.answered
    told: dict[str, object] = {"rows": len(read.rows)}
    if read.way is Way.READINGS:
        told |= {"from": answered.since.isoformat(), "to": answered.until.isoformat()}
    if answered.resolution is not None:
        told["resolution"] = format_duration(answered.resolution)
    if asked.properties is not None:
        told["properties"] = sorted(asked.properties)
    if asked.datastreams is not None:
        told["datastreams"] = sorted(asked.datastreams)
    if asked.bbox is not None:
        told["bbox"] = list(asked.bbox)
    if asked.cursor is not None:
        told["after"] = [asked.cursor.datastream_id, asked.cursor.time.isoformat()]
    if read.rows:
        times = [row.time for row in read.rows]
        told |= {"first": min(times).isoformat(), "last": max(times).isoformat()}
    return told
