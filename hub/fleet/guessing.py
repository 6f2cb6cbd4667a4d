"""Does somebody try passwords of a device? Counted where the hub itself is asked."""

from collections import OrderedDict
from dataclasses import dataclass

REMEMBERED = 100_000  # devices at a time; beyond, the one that was quiet for longest is forgotten
WINDOW_S = 3_600.0


@dataclass(slots=True)
class _Count:
    since_s: float
    failures: int = 0


class Guesses:
    """How often signing in as a device has failed of late, by device.

    `most` failures within an hour, without a success in between, are too many; None: never.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def failed(self, device: str, now_s: float) -> bool:
        """Count a failure; tell whether there were too many, and then begin anew."""
        if self._most is None:
            return False
        count = self._counts.get(device)
        if count is None or now_s - count.since_s > WINDOW_S:
            count = self._counts[device] = _Count(now_s)
            if len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)
        self._counts.move_to_end(device)
        count.failures += 1
        if count.failures < self._most:
            return False
        del self._counts[device]
        return True

    def succeeded(self, device: str) -> None:
        self._counts.pop(device, None)
