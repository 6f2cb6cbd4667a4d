"""What the way in needs of the world outside it."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from hub.domain.intake import Batch, Decoded, Outcome, Undecodable
from hub.domain.registry import Registry


class Delivery(Protocol):
    """One message as it arrived, waiting to be acknowledged."""

    @property
    def topic(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def retained(self) -> bool: ...
    @property
    def redelivered(self) -> bool: ...
    @property
    def packet_id(self) -> int:
        """Return what the session knows the message by, 0 if it will not come again."""

    def acknowledge(self) -> None:
        """Let the sender forget the message. Never raises; too late does no harm."""


class Source(Protocol):
    """A stream of deliveries that reconnects by itself and ends only by cancellation."""

    def deliveries(self) -> AsyncIterator[Delivery]: ...

    async def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish (topic, payload) to devices; return once the broker has them, or is gone."""


class Sink(Protocol):
    async def store(self, batch: Batch) -> Outcome:
        """Commit all of the batch or none of it.

        Raises StoreUnavailable (try the same again) or BatchRefused (it would change nothing).
        """


class Enrolment(Protocol):
    """The registry as it is now, and a way to take in a device that nobody registered."""

    @property
    def registry(self) -> Registry: ...

    async def enrol(self, device: str, properties: Sequence[str]) -> None:
        """Register the device under the connector's organisation and refresh the registry."""

    async def quarantine(self, device: str, reason: str) -> None:
        """Shut a device out until somebody has looked at it. Never raises."""


Decode = Callable[[str, bytes], Sequence[Decoded | Undecodable]]
"""Pure: topic and payload to values or reasons. Any bytes give one or the other, never an error."""

Requests = Callable[[], Sequence[tuple[str, bytes]]]
"""What there is to ask of those who send, as (topic, payload), each once; mostly nothing."""


@runtime_checkable
class Asking(Protocol):
    """A decoder that may have to ask those who send for something that it missed."""

    def __call__(self, topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]: ...

    def requests(self) -> Sequence[tuple[str, bytes]]: ...
