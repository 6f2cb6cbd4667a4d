"""Take in a payload over HTTP: the same decoding, acceptance and commit as from a broker."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.commands.keeping import RegistryKeeper
from hub.domain.intake import Batch, Decoded, Intake, Receipt, Undecodable
from hub.domain.registry import Registry
from hub.domain.topics import readings_topic
from hub.errors import BatchRefused
from hub.ingest.examining import Examiner, refused_by_store
from hub.storage.ledger import Ledger

CONNECTOR = "http"


class HttpReceiver:
    """The connector `http`: one payload, one commit, one receipt."""

    def __init__(
        self,
        keeper: RegistryKeeper,
        ledger: Ledger,
        examiner: Examiner,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._examiner = examiner
        self._now = now

    async def receive(self, device: str, payload: bytes) -> Receipt:
        """Commit what a device handed in. Raises StoreUnavailable; then nothing was stored."""
        topic, received_at = readings_topic(device), self._now()
        items = self._examiner.read(topic, payload)
        if _knows_too_little(self._keeper.registry, items):
            await self._keeper.load()  # registered a moment ago, perhaps
        came_to = self._examiner.judge(
            items, topic, payload, received_at, registry=self._keeper.registry
        )
        try:
            return await self._commit(came_to)
        except BatchRefused as error:
            return await self._commit(refused_by_store(came_to, topic, payload, received_at, error))

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
