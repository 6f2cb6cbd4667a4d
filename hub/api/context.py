"""What every request may use: made once by the composition root, kept on the application."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hub.domain.intake import Handed, Receipt, Replayed
from hub.fleet.guessing import Guesses
from hub.storage.bell import Bell
from hub.storage.pool import Store
from hub.storage.reads import ReadLog
from hub.storage.records import Archive
from hub.storage.rejections import Filter
from hub.storage.replica import Replica

Receive = Callable[[Handed], Awaitable[Receipt]]
"""Take in what was handed in and return when it is committed; raises BadRequest."""

Replay = Callable[[Filter, int, int | None], Awaitable[Replayed]]
"""Replay the next rejections with ids in (after, until]; until None, up to the newest there is."""


@dataclass(frozen=True, slots=True)
class BrokerHook:
    """For a broker that asks the hub: the secret it proves itself with; the hub's users, hashed."""

    secret: str
    users: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hub:
    """The running hub as the way out sees it.

    `news` rings when something was stored or a right changed, `rights` for the latter alone.
    `replica` lends what rows are read with.
    `check_password` compares a device's password with the broker's hash of it, `hash_password`
    makes such a hash, `new_password` a password. `quarantine` shuts a device out, with a reason.
    `reads` is where deliveries are put on record.
    """

    store: Store
    news: Bell
    rights: Bell
    receive: Receive
    replay: Replay
    check_password: Callable[[str, str], bool]
    new_password: Callable[[], str]
    hash_password: Callable[[str], str]
    payload_bytes: int
    max_limit: int
    stream_s: float
    secure_cookies: bool
    version: str
    guesses: Guesses
    replica: Replica
    quarantine: Callable[[str, str], Awaitable[None]]
    broker_hook: BrokerHook | None = None
    archive: Archive | None = None
    reads: ReadLog = field(default_factory=ReadLog)

    def now(self) -> datetime:
        return datetime.now(UTC)
