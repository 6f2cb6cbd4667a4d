"""Keep the registry in memory, and the broker's users equal to it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hub.domain.devices import DeviceAction
from hub.domain.identity import is_slug
from hub.domain.people import HUB, Deed
from hub.domain.registry import Registry
from hub.domain.sensing import Device
from hub.errors import StadsnavError, StoreUnavailable
from hub.fleet import managing
from hub.storage import ledger, registry
from hub.storage.bell import Bell
from hub.storage.devices import DeviceFiles
from hub.storage.pool import Store

log = logging.getLogger(__name__)

REFRESH_S = 60.0  # a lost bell costs at most this
TRY_AGAIN_S = 1.0
MOMENT_S = 0.05  # past the end of a password, so that it has ended by the database's clock too
ENROLMENT_LIMIT = 10_000  # devices that one process takes in by itself; then somebody should look

Credentials = Sequence[tuple[str, str]]


class RegistryKeeper:
    """The registry as one process knows it: loaded at start, again at every ring."""

    def __init__(
        self,
        store: Store,
        connector: str,
        on_credentials: Callable[[Credentials, Sequence[str]], object] = lambda *_: None,
    ) -> None:
        self._store = store
        self._connector = connector
        self._on_credentials = on_credentials
        self._registry = Registry({})
        self._next_end: datetime | None = None  # of a password that is being replaced
        self._enrolled = 0

    @property
    def registry(self) -> Registry:
        return self._registry

    async def load(self) -> None:
        """Read the registry, then tell the broker: a device that may sign in is always known."""
        async with self._store.connection() as db:
            await ledger.ensure_connector(db, self._connector)
            self._registry = await registry.load(db, self._connector)
            users, self._next_end = await registry.credentials(db)
            shut_out = await registry.shut_out(db)
        self._on_credentials(users, shut_out)

    async def follow(self, bell: Bell) -> None:
        """Load again whenever the registry changes, for ever."""
        while True:
            ticket, patience_s = bell.ticket(), REFRESH_S
            try:
                await self.load()
                patience_s = self._patience_s(datetime.now(UTC))
            except StoreUnavailable as error:
                log.warning("the registry cannot be read, the last one stays: %s", error)
                patience_s = TRY_AGAIN_S
            except OSError as error:
                log.warning("the broker's files cannot be written: %s", error)
            await bell.wait(ticket, patience_s)

    def _patience_s(self, now: datetime) -> float:
        """Return how long nothing can change by itself: until the next password ends."""
        if self._next_end is None:
            return REFRESH_S
        return max(0.0, min(REFRESH_S, (self._next_end - now).total_seconds() + MOMENT_S))

    async def enrol(self, device: str, properties: Sequence[str]) -> None:
        """Register a device that nobody registered, as far as the connector's rule allows.

        Properties that the hub does not know stay unknown, and their values are rejected.
        """
        organisation = self._registry.rule.register_under
        if organisation is None or self._enrolled >= ENROLMENT_LIMIT or not is_slug(device):
            return
        try:
            async with self._store.connection() as db:
                known = {row["id"] for row in await registry.properties(db)}
                wanted = [name for name in properties if name in known]
                if device in self._registry.devices:
                    if not wanted:
                        return
                    await registry.add_datastreams(db, device, wanted)
                else:
                    new = Device(device, organisation, kind="unknown", name=device)
                    await registry.add_device(db, new, wanted)
                    self._enrolled += 1
            await self.load()
        except StadsnavError as error:  # another process was faster, or the store is away
            log.warning("device=%s not taken in: %s", device, error)
            await asyncio.sleep(0)

    async def quarantine(self, device: str, reason: str) -> None:
        """Shut a device out, here and at the broker, until somebody has looked at it."""
        log.warning("device=%s quarantined: %s", device, reason)
        try:
            await quarantine(self._store, device, reason)
            await self.load()
        except (StadsnavError, OSError) as error:
            log.warning("device=%s is not quarantined yet: %s", device, error)


async def quarantine(store: Store, device: str, reason: str) -> None:
    """Let the hub itself quarantine a device; raise as `hub.fleet.managing.act`."""
    deed = Deed(HUB, datetime.now(UTC), reason)
    async with store.connection() as db, db.transaction():
        await managing.act(DeviceFiles(db), deed, device, DeviceAction.QUARANTINE)
