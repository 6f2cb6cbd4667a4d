"""Take in a payload over HTTP: the same decoding, acceptance and commit as from a broker."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from connectors.routing import Router
from hub.commands.keeping import RegistryKeeper
from hub.domain.intake import Batch, Decoded, Handed, Intake, Receipt, Undecodable
from hub.domain.registry import Registry
from hub.domain.topics import NATIVE, posted_topic
from hub.errors import BadRequest, BatchRefused, ConfigurationError
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
        router: Router,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._examiner = examiner
        self._router = router
        self._now = now

    async def receive(self, handed: Handed) -> Receipt:
        """Commit what was handed in. Raises StoreUnavailable; then nothing was stored.

        Raises BadRequest where the format is not known, or names no devices and nobody else does.
        """
        topic, payload, received_at = self._topic(handed), handed.payload, self._now()
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

    def _topic(self, handed: Handed) -> str:
        try:
            format_ = self._router.spoken(handed.format, handed.media_type)
        except ConfigurationError as error:
            raise BadRequest(str(error)) from error
        if handed.device is not None:
            return posted_topic(handed.device, format_)
        if format_ == NATIVE or handed.organisation is None:
            raise BadRequest(
                "say whose readings these are: ?device=…, or ?format=… of one that names devices"
            )
        return posted_topic(handed.organisation, format_, organisation=True)

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
