"""What did a sensor record? Read CSV files with `timestamp,value`."""

import csv
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TextIO
from zoneinfo import ZoneInfo

HEADER = ["timestamp", "value"]


class Recorded(NamedTuple):
    """One recorded value; `time` is aware."""

    time: datetime
    value: float


def read_csv(path: Path, timezone: ZoneInfo) -> list[Recorded]:
    """Read a recording, in the order of its file, repeated times included.

    Times without offset are local to `timezone`. In the hour that autumn repeats they are taken
    as the first of the two (fold 0), so its second pass repeats the times of the first; a time
    that spring skips is read with the offset before the change, and so lands an hour later.
    Raises ValueError naming file and line.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(_records(path.name, file, timezone))


def _records(name: str, file: TextIO, timezone: ZoneInfo) -> Iterator[Recorded]:
    rows = csv.reader(file)
    try:
        if [heading.strip() for heading in next(rows, [])] != HEADER:
            raise ValueError(f"{name}, line 1: the header must be {','.join(HEADER)}")
        for row in rows:
            if row:
                yield _recorded(f"{name}, line {rows.line_num}", row, timezone)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{name}, after line {rows.line_num}: {error}") from error


def _recorded(where: str, row: list[str], timezone: ZoneInfo) -> Recorded:
    try:
        when, what = row  # a third field is a decimal comma, most likely
        time, value = datetime.fromisoformat(when.strip()), float(what)
        aware = time if time.tzinfo else time.replace(tzinfo=timezone)
        recorded = Recorded(aware.astimezone(UTC), value)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{where}: expected a time and a number such as "
            f"2015-09-01 13:45:00,3.06, not {','.join(row)[:60]!r}"
        ) from error
    if not math.isfinite(value):
        raise ValueError(f"{where}: {what!r} is not a finite number")
    return recorded
