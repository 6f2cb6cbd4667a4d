"""How much time should one chunk of the store span?"""

from datetime import timedelta

BYTES_A_READING = 113  # as a row with its index entries, measured on 27 million readings

# The newest chunk takes all inserts: with its indexes it should stay cached beside everything else.
SHARE_OF_MEMORY = 0.25

WIDTHS = tuple(timedelta(hours=hours) for hours in (1, 3, 6, 12, 24, 7 * 24))


def chunk_width(readings_a_day: float, memory_bytes: int) -> timedelta:
    """Return the longest of `WIDTHS` whose chunk fits into its share of the memory."""
    fits = SHARE_OF_MEMORY * memory_bytes / BYTES_A_READING
    per_hour = readings_a_day / 24
    wide = [w for w in WIDTHS if per_hour * (w / timedelta(hours=1)) <= fits]
    return wide[-1] if wide else WIDTHS[0]


def should_change(current: timedelta, wanted: timedelta) -> bool:
    """Tell whether a change is worth it: the rate of a city breathes with day and week."""
    ratio = wanted / current
    return ratio >= 4 or ratio <= 1 / 2  # noqa: PLR2004  too wide hurts at once, too narrow slowly
