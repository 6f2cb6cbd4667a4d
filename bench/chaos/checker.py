"""Does the store hold what was promised, once, unchanged, and nothing else?

Pure, and written without looking at the hub: it compares the writer's history with the rows of the
store.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Stored(NamedTuple):
    """A row of the store."""

    device: str
    time: datetime
    value: float


class Made(NamedTuple):
    """A reading as its device made it; `time` is None where the device gave none."""

    device: str
    time: datetime | None


@dataclass(slots=True)
class History:
    """What the devices made, what the broker acknowledged, and for what a receipt came.

    `acknowledged` holds the Unix time of the broker's first acknowledgement.
    """

    made: dict[float, Made] = field(default_factory=dict)
    acknowledged: dict[float, float] = field(default_factory=dict)
    receipted: set[float] = field(default_factory=set)
    kept: int = 0

    @classmethod
    def read(cls, lines: Iterable[str]) -> "History":
        """Read a writer's history; a last line that was cut off is left out."""
        history = cls()
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                continue
            history._add(told)
        return history

    def _add(self, told: dict[str, object]) -> None:
        match told:
            case {"event": "make", "device": str(device), "value": float(value), "time": time}:
                at = datetime.fromisoformat(time) if isinstance(time, str) else None
                self.made[value] = Made(device, at)
            case {"event": "acknowledged", "values": list(values), "at": float(at)}:
                for value in values:
                    self.acknowledged.setdefault(value, at)
            case {"event": "receipt", "values": list(values)}:
                self.receipted.update(values)
            case {"event": "end", "kept": int(kept)}:
                self.kept += kept


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison came to; each of the lists should be empty.

    `lost`: promised and neither stored nor kept as a rejection. `duplicated`: stored under two
    keys. `altered`: stored with another time or value than it was made with. `phantom`: stored and
    never made. `unkept` counts messages whose device never heard that it may forget them.
    """

    made: int
    acknowledged: int
    receipted: int
    stored: int
    lost: Sequence[float]
    duplicated: Sequence[float]
    altered: Sequence[float]
    phantom: Sequence[float]
    unkept: int

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.duplicated or self.altered or self.phantom)


def check(
    history: History,
    rows: Iterable[Stored],
    *,
    by_receipt: bool = False,
    rejected: frozenset[float] = frozenset(),
) -> Verdict:
    """Compare a history with the store.

    Promised is what the broker acknowledged, or, `by_receipt`, what a receipt came for. `rejected`
    are values that the hub kept as rejections: those are accounted for.
    """
    promised = history.receipted if by_receipt else set(history.acknowledged)
    seen: Counter[float] = Counter()
    altered: list[float] = []
    phantom: list[float] = []
    keys = {}
    for value, made in history.made.items():
        if made.time is not None:
            keys[made.device, made.time] = value
    stored = 0
    for row in rows:
        stored += 1
        made_ = history.made.get(row.value)
        if made_ is None or made_.device != row.device:
            # A value that nobody made, under a key that somebody did: it was changed on the way.
            (altered if (row.device, row.time) in keys else phantom).append(row.value)
            continue
        seen[row.value] += 1
        if made_.time is not None and made_.time != row.time:
            altered.append(row.value)
    return Verdict(
        len(history.made),
        len(history.acknowledged),
        len(history.receipted),
        stored,
        sorted(promised - seen.keys() - rejected),
        sorted(value for value, count in seen.items() if count > 1),
        altered,
        phantom,
        history.kept,
    )


class Window(NamedTuple):
    """Around kills of the broker: what it acknowledged and lost, in seconds.

    `before_s`: how long before a kill the first of it was acknowledged. `after_s`: how long after
    a kill the last of it was, by a broker that had come back without knowing who subscribes.
    """

    before_s: float
    after_s: float


def window(history: History, lost: Sequence[float], killed_at: Sequence[float]) -> Window:
    """Return the longest windows over all kills: each loss belongs to the kill nearest to it."""
    before_s = after_s = 0.0
    for value in lost:
        at = history.acknowledged[value]
        nearest = min(killed_at, key=lambda kill: abs(kill - at), default=at)
        before_s, after_s = max(before_s, nearest - at), max(after_s, at - nearest)
    return Window(before_s, after_s)
