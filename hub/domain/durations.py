"""How long is PT15M? ISO 8601 durations of a fixed length."""

import re
from datetime import UTC, datetime, timedelta

# A Monday at midnight UTC: weeks begin on Mondays, and every shorter bucket lines up with it.
BUCKET_ORIGIN = datetime(2001, 1, 1, tzinfo=UTC)

LONGEST = timedelta(days=366)

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W|(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,9})S)?)?)",
    re.ASCII,
)


def parse_duration(text: str) -> timedelta:
    """Read a duration such as `PT15M`, `PT1H`, `P1D` or `P1W`.

    Years and months have no fixed length and are refused. Raises ValueError.
    """
    match = _DURATION.fullmatch(text)
    parts = {unit: int(n) for unit, n in match.groupdict().items() if n} if match else {}
    if not parts:
        msg = f"{text[:40]!r} is not a duration: write PT30S, PT15M, PT1H, P1D or P1W"
        raise ValueError(msg)
    duration = timedelta(**parts)
    if duration > LONGEST:
        msg = f"{text[:40]!r} is too long: 366 days are allowed, P366D"
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


def bucket_floor(time: datetime, width: timedelta) -> datetime:
    """Return the start of the bucket that `time` falls in."""
    return time - (time - BUCKET_ORIGIN) % width


def bucket_ceil(time: datetime, width: timedelta) -> datetime:
    """Return the first bucket start at or after `time`."""
    floor = bucket_floor(time, width)
    return floor if floor == time else floor + width
