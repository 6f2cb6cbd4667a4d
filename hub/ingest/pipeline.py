"""The way in: examine what arrives, commit it in batches, and only then let the sender forget."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass

from hub.domain.intake import Batch, Decoded, Intake, Outcome, Reason, Undecodable
from hub.errors import BatchRefused, StoreUnavailable
from hub.ingest.acceptance import ClockRule, accept, intake, rejection
from hub.ingest.arrivals import Arrivals
from hub.ingest.batching import Examined, Pending, batches
from hub.ingest.meter import Meter
from hub.ingest.ports import Decode, Delivery, Enrolment, Sink, Source

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0


@dataclass(frozen=True, slots=True)
class Flow:
    """How much is taken at a time.

    `max_batch` readings or `max_age_s` seconds make a commit; `queue_size` examined messages
    wait for the one before. The broker's in-flight window must hold at least a batch.
    """

    max_batch: int
    max_age_s: float
    queue_size: int


class Pipeline:
    """One connector: its source, its payload format, and the sink."""

    def __init__(
        self,
        connector: str,
        source: Source,
        decode: Decode,
        enrolment: Enrolment,
        sink: Sink,
        *,
        flow: Flow,
        clock: ClockRule,
        meter: Meter,
        arrivals: Arrivals,
    ) -> None:
        self._connector = connector
        self._source = source
        self._decode = decode
        self._enrolment = enrolment
        self._sink = sink
        self._flow = flow
        self._clock = clock
        self._meter = meter
        self._arrivals = arrivals

    async def run(self) -> None:
        """Run until cancelled. What was not acknowledged by then will be delivered again."""
        queue: asyncio.Queue[Examined] = asyncio.Queue(self._flow.queue_size)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(queue), name=f"{self._connector}.read")
            group.create_task(self._write(queue), name=f"{self._connector}.write")

    async def _read(self, queue: asyncio.Queue[Examined]) -> None:
        # A full queue stops this loop, and with it the acknowledgements: the broker keeps the rest.
        async for delivery in self._source.deliveries():
            examined = Examined(delivery, await self.examine(delivery))
            self._meter.received(examined.intake)
            await queue.put(examined)

    async def _write(self, queue: asyncio.Queue[Examined]) -> None:
        flow = self._flow
        async for batch in batches(queue, max_size=flow.max_batch, max_age_s=flow.max_age_s):
            await self._commit(batch)
            for examined in batch:
                examined.delivery.acknowledge()  # only now may the broker forget

    async def examine(self, delivery: Delivery) -> Intake:
        """Decode and accept one message; every part of it becomes a reading or a rejection."""
        topic, payload, received_at = delivery.topic, delivery.payload, delivery.received_at
        if delivery.retained:
            # A broker repeats it to every new subscription: it says nothing about when it was sent.
            told = Undecodable(Reason.RETAINED, "a retained message is a copy, not a new reading")
            return intake(topic, payload, received_at, [told])
        items = self._decoded(topic, payload)
        if self._enrolment.registry.rule.register_under is not None:
            await self._enrol(items)
        arrival = self._arrivals.first(delivery) if _any_without_time(items) else None
        if arrival is not None:
            received_at = arrival.received_at
        registry = self._enrolment.registry
        judged = [accept(item, registry, received_at, self._clock) for item in items]
        return intake(topic, payload, received_at, judged, arrival)

    def _decoded(self, topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]:
        try:
            return self._decode(topic, payload)
        except Exception:
            # A decoder must not fail. If one does, on bytes that nobody thought of, the message is
            # kept like any other: the broker would deliver it for ever, and nothing behind it.
            log.exception("decoder failed on %d bytes of %s", len(payload), topic)
            return [Undecodable(Reason.DECODER_FAILED, "the decoder failed; see the log of ingest")]

    async def _enrol(self, items: Sequence[Decoded | Undecodable]) -> None:
        """Take in what this connector's rule allows, before the values are judged."""
        wanted: dict[str, set[str]] = {}
        known = self._enrolment.registry.devices
        for item in items:
            if isinstance(item, Undecodable):
                continue
            device = known.get(item.device)
            if device is None or item.property not in device.streams:
                wanted.setdefault(item.device, set()).add(item.property)
        for name, properties in wanted.items():
            await self._enrolment.enrol(name, sorted(properties))

    async def _commit(self, batch: Pending) -> None:
        """Commit the batch, however long the database is away; isolate what it will never take."""
        waited_s = RETRY_FIRST_S
        while True:
            try:
                outcome = await self._sink.store(self._batch(batch))
            except StoreUnavailable as error:
                log.warning("store unavailable, %d messages wait: %s", len(batch), error)
                await asyncio.sleep(waited_s * random.uniform(0.5, 1.5))  # noqa: S311
                waited_s = min(waited_s * 2, RETRY_LAST_S)
            except BatchRefused as error:
                await self._isolate(batch, error)
                return
            else:
                self._meter.committed(batch, outcome)
                self._log(batch, outcome)
                return

    async def _isolate(self, batch: Pending, error: BatchRefused) -> None:
        """Halve a refused batch until the message at fault stands alone, and reject that one."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
            return
        delivery, refused = batch[0]
        if not refused.readings:
            raise error  # not even a rejection can be stored: the store itself is broken
        lost = rejection(
            delivery.topic,
            delivery.payload,
            delivery.received_at,
            Reason.REFUSED_BY_STORE,
            [str(error)] * len(refused.readings),
        )
        await self._commit([Examined(delivery, Intake((), [*refused.rejections, lost]))])

    def _batch(self, batch: Pending) -> Batch:
        return Batch(
            self._connector,
            messages=len(batch),
            readings=[reading for examined in batch for reading in examined.intake.readings],
            rejections=[lost for examined in batch for lost in examined.intake.rejections],
            arrivals=[e.intake.arrival for e in batch if e.intake.arrival is not None],
        )

    def _log(self, batch: Pending, outcome: Outcome) -> None:
        log.debug(
            "batch connector=%s messages=%d stored=%d duplicates=%d rejected=%d",
            self._connector,
            len(batch),
            outcome.stored,
            outcome.duplicates,
            outcome.rejected,
        )


def _any_without_time(items: Sequence[Decoded | Undecodable]) -> bool:
    return any(isinstance(item, Decoded) and item.time is None for item in items)
