"""The way in: examine what arrives, commit it in batches, and only then let the sender forget."""

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hub.domain.intake import Batch, Decoded, Intake, Outcome, Reason, Undecodable
from hub.domain.topics import device_of
from hub.errors import BatchRefused, StoreUnavailable
from hub.ingest.arrivals import Arrivals
from hub.ingest.batching import Examined, Pending, Waiting, batches, weight
from hub.ingest.conduct import Conduct
from hub.ingest.examining import Examiner, folded, refused_by_store, refused_unread, sorted_out
from hub.ingest.meter import Meter
from hub.ingest.ports import Delivery, Enrolment, Sink, Source
from hub.ingest.receipts import receipts

log = logging.getLogger(__name__)

RETRY_FIRST_S = 0.1
RETRY_LAST_S = 5.0
AT_ONCE = 50  # readings examined in one go: a commit has six answers to wait for meanwhile


@dataclass(frozen=True, slots=True)
class Flow:
    """How much is taken at a time.

    `max_batch` readings or `max_age_s` seconds make a commit; `queue_size` readings wait for the
    one before. That queue and the broker's in-flight window must hold at least a batch.
    """

    max_batch: int
    max_age_s: float
    queue_size: int


class Pipeline:
    """One connector: its source, how it examines what comes, and the sink."""

    def __init__(
        self,
        connector: str,
        source: Source,
        examiner: Examiner,
        enrolment: Enrolment,
        sink: Sink,
        *,
        flow: Flow,
        meter: Meter,
        arrivals: Arrivals,
        conduct: Conduct,
    ) -> None:
        self._connector = connector
        self._source = source
        self._examiner = examiner
        self._enrolment = enrolment
        self._sink = sink
        self._flow = flow
        self._meter = meter
        self._arrivals = arrivals
        self._conduct = conduct

    async def run(self) -> None:
        """Run until cancelled. What was not acknowledged by then will be delivered again."""
        queue = Waiting(self._flow.queue_size)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(queue), name=f"{self._connector}.read")
            group.create_task(self._write(queue), name=f"{self._connector}.write")

    async def _read(self, queue: asyncio.Queue[Examined]) -> None:
        # A full queue stops this loop, and with it the acknowledgements: the broker keeps the rest.
        since_yield = 0
        async for delivery in self._source.deliveries():
            examined = Examined(delivery, await self.examine(delivery))
            self._meter.received(examined.intake)
            await queue.put(examined)
            since_yield += weight(examined)
            if since_yield >= AT_ONCE:
                since_yield = 0
                await asyncio.sleep(0)

    async def _write(self, queue: asyncio.Queue[Examined]) -> None:
        flow = self._flow
        async for batch in batches(queue, max_size=flow.max_batch, max_age_s=flow.max_age_s):
            committed = await self._commit(batch)
            told = [*receipts(committed, self._enrolment.registry), *self._requests()]
            if told:
                await self._source.tell(told)
            for examined in committed:
                examined.delivery.acknowledge()  # only now may the broker forget

    def _requests(self) -> Sequence[tuple[str, bytes]]:
        requests = self._examiner.requests()
        if requests:
            log.info("asking for what was missed: %s", ", ".join(topic for topic, _ in requests))
        return requests

    async def examine(self, delivery: Delivery) -> Intake:
        """Decode and accept one message; every part of it becomes a reading or a rejection."""
        topic, payload, received_at = delivery.topic, delivery.payload, delivery.received_at
        if delivery.retained:
            # A broker repeats it to every new subscription: it says nothing about when it was sent.
            told = Undecodable(Reason.RETAINED, "a retained message is a copy, not a new reading")
            return sorted_out([told], topic, payload, received_at)
        if not self._conduct.admits(topic, received_at.timestamp()):
            came_to = refused_unread(
                Reason.TOO_MANY_MESSAGES, "more than its share", topic, payload, received_at
            )
        else:
            came_to = await self._look_into(delivery)
            self._conduct.note(topic, came_to)
        verdict = self._conduct.verdict(topic) if came_to.rejections else None
        device = device_of(topic) if verdict else None
        if verdict and device:
            await self._enrolment.quarantine(device, verdict)
        return came_to

    async def _look_into(self, delivery: Delivery) -> Intake:
        topic, payload, received_at = delivery.topic, delivery.payload, delivery.received_at
        items = self._examiner.read(topic, payload)
        if self._enrolment.registry.rule.register_under is not None:
            await self._enrol(items)
        arrival = self._arrivals.first(delivery) if _any_without_time(items) else None
        if arrival is not None:
            received_at = arrival.received_at
        return self._examiner.judge(
            items, topic, payload, received_at,
            registry=self._enrolment.registry, arrival=arrival,
        )  # fmt: skip

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

    async def _commit(self, batch: Pending) -> Pending:
        """Commit the batch, however long the database is away; return what was committed.

        That is the batch, but for messages which the database will never take: those are isolated,
        and committed as rejections.
        """
        waited_s = RETRY_FIRST_S
        while True:
            try:
                outcome = await self._sink.store(self._batch(batch))
            except StoreUnavailable as error:
                log.warning("store unavailable, %d messages wait: %s", len(batch), error)
                await asyncio.sleep(waited_s * random.uniform(0.5, 1.5))  # noqa: S311
                waited_s = min(waited_s * 2, RETRY_LAST_S)
            except BatchRefused as error:
                return await self._isolate(batch, error)
            else:
                self._meter.committed(batch, outcome)
                self._log(batch, outcome)
                return batch

    async def _isolate(self, batch: Pending, error: BatchRefused) -> Pending:
        """Halve a refused batch until the message at fault stands alone, and reject that one."""
        if len(batch) > 1:
            middle = len(batch) // 2
            return [*await self._commit(batch[:middle]), *await self._commit(batch[middle:])]
        delivery, refused = batch[0]
        if not refused.readings:
            raise error  # not even a rejection can be stored: the store itself is broken
        topic, payload, received_at = delivery.topic, delivery.payload, delivery.received_at
        came_to = refused_by_store(refused, topic, payload, received_at, error)
        return await self._commit([Examined(delivery, came_to)])

    def _batch(self, batch: Pending) -> Batch:
        return Batch(
            self._connector,
            messages=len(batch),
            readings=[reading for examined in batch for reading in examined.intake.readings],
            rejections=folded(lost for examined in batch for lost in examined.intake.rejections),
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
    return any(isinstance(item, Decoded) and not isinstance(item.time, datetime) for item in items)
