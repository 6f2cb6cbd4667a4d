"""Which devices misbehave? More messages than their share, or a clock that cannot be right."""

from collections import OrderedDict
from dataclasses import dataclass

from hub.domain.intake import Intake, Reason

REMEMBERED = 100_000  # topics at a time; beyond, the one that was silent for longest is forgotten
_IMPOSSIBLE = frozenset({Reason.TIME_IN_FUTURE, Reason.TIME_TOO_OLD})


@dataclass(frozen=True, slots=True)
class ConductRule:
    """How much is tolerated of one device.

    `rate` messages per second in the long run, and `burst` at once: what piled up at the broker
    while the hub, or the device, was away is no flood. `excess` refused messages, or `bad_times`
    readings in a row with an impossible time while at least as many messages of others were right,
    and the device is quarantined; None: never.
    """

    rate: float = 50.0
    burst: int = 50_000
    excess: int | None = 10_000
    bad_times: int | None = 1_000


DEFAULT_CONDUCT = ConductRule()


class _Bucket:
    """A token bucket, and how many came when it was empty."""

    __slots__ = ("at_s", "excess", "tokens")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens = tokens
        self.at_s = at_s
        self.excess = 0


class _Streak:
    """Readings in a row with an impossible time, and how many messages were good before them."""

    __slots__ = ("bad", "good_before")

    def __init__(self, good_before: int) -> None:
        self.good_before = good_before
        self.bad = 0


class Conduct:
    """How the devices of one connector have behaved of late, by topic: each has its own.

    Times are seconds on any clock that goes on; the caller's messages come in their order.
    """

    def __init__(self, rule: ConductRule = DEFAULT_CONDUCT) -> None:
        self._rule = rule
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._bad_times: OrderedDict[str, _Streak] = OrderedDict()
        self._good = 0  # messages of all devices together whose times could be right

    def admits(self, topic: str, now_s: float) -> bool:
        """Tell whether another message is within the topic's share, and count it."""
        rule, bucket = self._rule, self._buckets.get(topic)
        if bucket is None:
            bucket = self._buckets[topic] = _Bucket(rule.burst, now_s)
            if len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        elif now_s > bucket.at_s:
            bucket.tokens = min(rule.burst, bucket.tokens + (now_s - bucket.at_s) * rule.rate)
            bucket.at_s = now_s
        self._buckets.move_to_end(topic)
        if bucket.tokens < 1:
            bucket.excess += 1
            return False
        bucket.tokens -= 1
        if bucket.tokens > rule.burst / 2:
            bucket.excess = 0  # it has been quiet for a good while
        return True

    def note(self, topic: str, intake: Intake) -> None:
        """Remember whether the times of a message could be right."""
        bad = sum(lost.readings for lost in intake.rejections if lost.reason in _IMPOSSIBLE)
        # Without a time of its own a reading shows nothing of any clock.
        self._good += sum(one.time != one.received_at for one in intake.readings[:1])
        if intake.readings or not bad:
            if intake.readings and self._bad_times:
                self._bad_times.pop(topic, None)
            return
        streak = self._bad_times.get(topic)
        if streak is None:
            streak = self._bad_times[topic] = _Streak(self._good)
            if len(self._bad_times) > REMEMBERED:
                self._bad_times.popitem(last=False)
        self._bad_times.move_to_end(topic)
        streak.bad += bad

    def verdict(self, topic: str) -> str | None:
        """Return why the device should be quarantined, if it should; then its count begins anew."""
        rule, bucket = self._rule, self._buckets.get(topic)
        if rule.excess is not None and bucket is not None and bucket.excess >= rule.excess:
            told = f"flood: {bucket.excess} messages beyond {rule.rate:g} per second"
            bucket.excess = 0
            return told
        streak = self._bad_times.get(topic)
        if rule.bad_times is None or streak is None or streak.bad < rule.bad_times:
            return None
        if self._good - streak.good_before < rule.bad_times:
            return None  # nobody else's times are right either: then it may be our own clock
        del self._bad_times[topic]
        return f"impossible clock: {streak.bad} readings in a row"
