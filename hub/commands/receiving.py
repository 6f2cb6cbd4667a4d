"""Take in a payload over HTTP: the same decoding, acceptance and commit as from a broker."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.commands.keeping import RegistryKeeper
from hub.domain.intake import Batch, Decoded, Intake, Reason, Receipt, Undecodable
from hub.domain.registry import Registry
from hub.errors import BatchRefused
from hub.ingest.acceptance import ClockRule, accept, intake, rejection
from hub.ingest.ports import Decode
from hub.storage.ledger import Ledger

CONNECTOR = "http"


class HttpReceiver:
    """The connector `http`: one payload, one commit, one receipt."""

    def __init__(
        self,
        keeper: RegistryKeeper,
        ledger: Ledger,
        decode: Decode,
        clock: ClockRule,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._decode = decode
        self._clock = clock
        self._now = now

    async def receive(self, device: str, payload: bytes) -> Receipt:
        """Commit what a device handed in. Raises StoreUnavailable; then nothing was stored."""
        topic, received_at = f"v1/devices/{device}/readings", self._now()
        items = self._decode(topic, payload)
        if _knows_too_little(self._keeper.registry, items):
            await self._keeper.load()  # registered a moment ago, perhaps
        registry = self._keeper.registry
        judged = [accept(item, registry, received_at, self._clock) for item in items]
        came_to = intake(topic, payload, received_at, judged)
        try:
            return await self._commit(came_to)
        except BatchRefused as error:
            lost = rejection(
                topic,
                payload,
                received_at,
                Reason.REFUSED_BY_STORE,
                [str(error)] * len(came_to.readings),
            )
            return await self._commit(Intake((), [*came_to.rejections, lost]))

    async def _commit(self, came_to: Intake) -> Receipt:
        batch = Batch(CONNECTOR, 1, came_to.readings, came_to.rejections)
        return Receipt(await self._ledger.store(batch), came_to.rejections)


def _knows_too_little(registry: Registry, items: Sequence[Decoded | Undecodable]) -> bool:
    """Tell whether a value names a device or datastream that the registry in memory lacks."""
    for item in items:
        if isinstance(item, Undecodable):
            continue
        device = registry.devices.get(item.device)
        if device is None or item.property not in device.streams:
            return True
    return False
