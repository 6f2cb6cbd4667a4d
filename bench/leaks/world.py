"""A city of fifty organisations that share two hundred feeds, with a canary in everything."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ORGANISATIONS = 50
FEEDS = 200
CONSUMERS = 6  # of a feed, on average
OPEN, MOVING = 0.15, 0.2  # of feeds, of devices
PUBLIC = "public"
CANARY_WORDS = ("canary-", "canary name", "canary purpose")
PROPERTIES = ("alpha", "beta", "gamma")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Far from every border that an agreement draws, so that the suite may take an hour.
AGES = (
    timedelta(minutes=10), timedelta(minutes=40), 4 * HOUR, 10 * HOUR, 20 * HOUR, 30 * HOUR,
    5 * DAY, 45 * DAY,
)  # fmt: skip
DELAYS = (timedelta(), timedelta(), 2 * HOUR)
HISTORIES = (None, None, DAY, 30 * DAY)
FINEST = (None, None, timedelta(minutes=15), HOUR)
DECIMALS = (None, None, 2)
# From and until, relative to now: for good, for good, still, not yet, no more.
VALIDITIES = ((-DAY, None), (-DAY, None), (-DAY, DAY), (DAY, None), (-9 * DAY, -DAY))
CENTRE = (17.9, 59.4)


@dataclass(frozen=True, slots=True)
class Measured:
    """A reading. Its value occurs once in the whole city."""

    time: datetime
    value: float
    position: tuple[float, float] | None = None


@dataclass(slots=True)
class Stream:
    """A datastream; `id` is what the hub calls it."""

    device: str
    name: str
    kind: str
    property: str
    position: tuple[float, float] | None
    moving: bool
    tags: tuple[str, ...]
    readings: list[Measured] = field(default_factory=list)
    id: int = 0


@dataclass(frozen=True, slots=True)
class Right:
    """An agreement, or what looks like one."""

    consumer: str
    state: str
    properties: tuple[str, ...] | None
    finest: timedelta | None
    delay: timedelta
    decimals: int | None
    history: timedelta | None
    box: tuple[float, float, float, float] | None
    begins: timedelta  # from now
    ends: timedelta | None


@dataclass(slots=True)
class Feed:
    id: str
    owner: str
    state: str
    title: str
    properties: tuple[str, ...] | None
    tags: tuple[str, ...] | None
    box: tuple[float, float, float, float] | None
    streams: list[Stream]
    rights: list[Right]


@dataclass(frozen=True, slots=True)
class World:
    """What there is, as plain data: neither hub nor oracle made it."""

    now: datetime
    organisations: Sequence[str]
    feeds: Sequence[Feed]

    def streams(self) -> Iterator[tuple[str, Stream]]:
        """Yield every datastream with its owner."""
        for feed in self.feeds:
            for stream in feed.streams:
                yield feed.owner, stream


def make_world(seed: int, now: datetime) -> World:
    """Make a city from a seed. `now` is a whole second."""
    dice = random.Random(seed)
    organisations = [f"org-{number:02}" for number in range(ORGANISATIONS)]
    values = _values()
    feeds = [_feed(dice, number, organisations, now, values) for number in range(FEEDS)]
    return World(now, organisations, feeds)


def _values() -> Iterator[float]:
    number = 0
    while True:
        number += 1
        yield 700_000 + number + 0.125


def _feed(
    dice: random.Random, number: int, organisations: Sequence[str], now: datetime,
    values: Iterator[float],
) -> Feed:  # fmt: skip
    owner = organisations[number % len(organisations)]
    kind = f"kind-{number:03}"
    streams = [
        stream
        for device in range(dice.choice((1, 2, 2, 3)))
        for stream in _device(dice, kind, f"canary-{number:03}-{device}", now, values)
    ]
    consumers = dice.sample([o for o in organisations if o != owner], dice.randrange(2 * CONSUMERS))
    rights = [_right(dice, consumer) for consumer in consumers]
    if dice.random() < OPEN:
        rights.append(_right(dice, PUBLIC))
    return Feed(
        f"feed-{number:03}",
        owner,
        dice.choice(("published",) * 8 + ("deprecated", "draft", "classified", "retired")),
        f"canary-title-{number:03}",
        dice.choice((None, None, ("alpha", "beta"))),
        dice.choice((None, None, None, ("seen",))),
        dice.choice((None, None, None, _box(dice))),
        streams,
        rights,
    )


def _device(
    dice: random.Random, kind: str, device: str, now: datetime, values: Iterator[float]
) -> Iterator[Stream]:
    moving = dice.random() < MOVING
    position = None if moving else _place(dice)
    tags = dice.choice(((), ("seen",), ("seen", "hidden")))
    for name in dice.sample(PROPERTIES, dice.choice((1, 2, 3))):
        stream = Stream(device, f"canary name of {device}", kind, name, position, moving, tags)
        for age in AGES:
            time = now - age - timedelta(seconds=dice.randrange(240))
            place = _place(dice) if moving else None
            stream.readings.append(Measured(time, next(values), place))
        yield stream


def _place(dice: random.Random) -> tuple[float, float]:
    """Return a place whose third decimal is neither 5 nor near a border of a box."""
    return tuple(  # type: ignore[return-value]
        round(centre + dice.randrange(10) / 100 + dice.choice((0.0013, 0.0027, 0.0071)), 4)
        for centre in CENTRE
    )


def _box(dice: random.Random) -> tuple[float, float, float, float]:
    """Return a box that holds about half of the city."""
    west, south = (centre + dice.randrange(4) / 100 - 0.0005 for centre in CENTRE)
    return (round(west, 4), round(south, 4), round(west + 0.07, 4), round(south + 0.07, 4))


def _right(dice: random.Random, consumer: str) -> Right:
    begins, ends = dice.choice(
        ((-DAY, None), (-DAY, None), (-DAY, DAY), (DAY, None), (-9 * DAY, -DAY))
    )
    return Right(
        consumer,
        dice.choice(("active",) * 6 + ("suspended", "revoked", "draft", "offered", "terminated")),
        dice.choice((None, None, ("alpha",), ("beta", "gamma"))),
        dice.choice(FINEST),
        dice.choice(DELAYS),
        dice.choice(DECIMALS),
        dice.choice(HISTORIES),
        dice.choice((None, None, None, _box(dice))),
        begins,
        ends,
    )
