"""In which classes is history kept, for how long, and which of them answers a question?"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from hub.domain.durations import BUCKET_ORIGIN, format_duration


class Kept(StrEnum):
    """A class of history, finest first: the readings, and what is rolled up from them."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


WIDTHS = {
    Kept.RAW: timedelta(seconds=1),  # what is finer than a minute is computed from the readings
    Kept.MINUTE: timedelta(minutes=1),
    Kept.HOUR: timedelta(hours=1),
    Kept.DAY: timedelta(days=1),
}

# So much is left for late readings, and for the step that rolls them up.
SHORTEST = {
    Kept.RAW: timedelta(days=1),
    Kept.MINUTE: timedelta(days=2),
    Kept.HOUR: timedelta(days=7),
    Kept.DAY: timedelta(days=7),
}

Retention = Mapping[Kept, timedelta | None]  # None keeps for ever

FOR_EVER: Retention = dict.fromkeys(Kept)

# An hour more than promised: a refresh that runs meanwhile never meets what is being deleted.
GRACE = timedelta(hours=1)


class Missing(NamedTuple):
    """What a question asked for and is kept no longer; `ask` reaches further, if anything does."""

    property: str
    before: datetime
    ask: Kept | None


def check(retention: Retention) -> None:
    """Raise ValueError unless each class is kept at least as long as the finer one."""
    for kept, shortest in SHORTEST.items():
        length = retention[kept]
        if length is not None and length < shortest:
            msg = (
                f"{kept} is kept {format_duration(length)}; at least {format_duration(shortest)}, "
                "so that late readings still come in"
            )
            raise ValueError(msg)
    for finer, coarser in zip(list(Kept), list(Kept)[1:], strict=False):
        short, long = retention[finer], retention[coarser]
        if long is not None and (short is None or short > long):
            has = "for ever" if short is None else format_duration(short)
            msg = (
                f"{coarser} ({format_duration(long)}) must be kept at least as long as {finer} "
                f"({has}), from which it is made"
            )
            raise ValueError(msg)


def forgotten_before(length: timedelta, now: datetime) -> datetime:
    """Return before when nothing need be kept any more: a full hour."""
    time = now - length - GRACE
    return time - (time - BUCKET_ORIGIN) % timedelta(hours=1)


def source_of(width: timedelta | None, borders: Sequence[datetime] = ()) -> Kept:
    """Return the coarsest class whose buckets fill the asked ones exactly.

    `borders` are those of buckets of unequal length, such as local days.
    """
    if width is None:
        return Kept.RAW
    for kept in reversed(Kept):
        fits = all(not (border - BUCKET_ORIGIN) % WIDTHS[kept] for border in borders)
        if not width % WIDTHS[kept] and fits:
            return kept
    return Kept.RAW


Forgotten = Mapping[tuple[str, Kept], datetime]  # by property and class


def missing(
    properties: Sequence[str], source: Kept, since: datetime, gone: Forgotten
) -> list[Missing]:
    """Return what of a question that begins at `since` is kept no longer in its class."""
    found = []
    for name in sorted(set(properties)):
        before = gone.get((name, source))
        if before is not None and before > since:
            coarser = list(Kept)[list(Kept).index(source) + 1 :]
            reaching = (k for k in coarser if (name, k) not in gone or gone[name, k] < before)
            found.append(Missing(name, before, next(reaching, None)))
    return found
