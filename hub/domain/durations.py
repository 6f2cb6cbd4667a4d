"""How long is PT15M? ISO 8601 durations of a fixed length."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

# A Monday at midnight UTC: weeks begin on Mondays, and every shorter bucket lines up with it.
BUCKET_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)

LONGEST = timedelta(days=366)

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W|(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.ASCII,
)


def parse_duration(text: str, longest: timedelta = LONGEST) -> timedelta:
    """Read a duration such as `PT15M`, `PT1H`, `P1D` or `P1W`.

    Years and months have no fixed length and are refused. Raises ValueError.
    """
    match = _DURATION.fullmatch(text)
    parts = {unit: int(n) for unit, n in match.groupdict().items() if n} if match else {}
    if not parts:
        msg = f"{text[:40]!r} is not a duration: write PT30S, PT15M, PT1H, P1D or P1W"
        raise ValueError(msg)
    duration = timedelta(**parts)
    if duration > longest:
        msg = f"{text[:40]!r} is too long: {longest.days} days are allowed, P{longest.days}D"
        raise ValueError(msg)
    if not duration:
        msg = "a duration of zero is not a resolution"
        raise ValueError(msg)
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration in the largest units that express it: `PT90M`, `P1D`."""
    seconds = int(duration.total_seconds())
    for size, pattern in ((86_400, "P{}D"), (3_600, "PT{}H"), (60, "PT{}M")):
        if seconds and seconds % size == 0:
            return pattern.format(seconds // size)
    return f"PT{seconds}S"


def bucket_floor(at: datetime, width: timedelta) -> datetime:
    """Return the start of the bucket that an instant falls in."""
    return at - (at - BUCKET_ORIGIN) % width


def bucket_ceil(at: datetime, width: timedelta) -> datetime:
    """Return the first bucket start at or after an instant."""
    floor = bucket_floor(at, width)
    return floor if floor == at else floor + width


@dataclass(frozen=True, slots=True)
class Grid:
    """Where buckets begin: at whole multiples of their width, or at midnight of a time zone.

    With a zone the width is of whole days, and a day has 23 or 25 hours when the clock changes.
    """

    width: timedelta
    zone: ZoneInfo | None = None

    def floor(self, at: datetime) -> datetime:
        """Return the start of the bucket that an instant falls in."""
        if self.zone is None:
            return bucket_floor(at, self.width)
        floor = self._midnight(self._day(at))
        # Where the clock is put back over midnight, the day begins after the instants it repeats.
        return floor if floor <= at else self._midnight(self._day(at) - self.width)

    def ceil(self, at: datetime) -> datetime:
        """Return the first bucket start at or after an instant."""
        floor = self.floor(at)
        return floor if floor == at else self.after(floor)

    def after(self, start: datetime) -> datetime:
        """Return the start of the bucket that follows the one which begins at `start`."""
        if self.zone is None:
            return start + self.width
        return self._midnight(self._day(start) + self.width)

    def starts(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """Yield where buckets begin in [since, until); `since` is such a place."""
        while since < until:
            yield since
            since = self.after(since)

    def _day(self, at: datetime) -> date:
        """Return the first local day of the bucket; buckets of weeks begin on Mondays."""
        day = at.astimezone(self.zone).date()
        return day - timedelta(days=(day - BUCKET_ORIGIN.date()).days % self.width.days)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)
