"""Is a message acknowledged after its commit and never before, whatever the store does?"""

import asyncio
import hashlib
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.intake import Batch, Decoded, Outcome, Reason
from hub.domain.registry import ConnectorRule, DeviceRules, Registry, StreamRules
from hub.domain.sensing import DeviceState
from hub.errors import BatchRefused, StoreUnavailable
from hub.ingest import pipeline as module
from hub.ingest.arrivals import Arrivals
from hub.ingest.batching import Examined, Waiting, batches
from hub.ingest.conduct import DEFAULT_CONDUCT, Conduct, ConductRule
from hub.ingest.examining import Examiner
from hub.ingest.meter import Meter
from hub.ingest.pipeline import Flow, Pipeline

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@dataclass
class FakeDelivery:
    number: int
    acknowledged: list[int]
    retained: bool = False
    redelivered: bool = False
    topic: str = "v1/devices/d-1/readings"
    received_at: datetime = NOW

    @property
    def packet_id(self):
        return self.number + 1

    @property
    def payload(self):
        return str(self.number).encode()

    def acknowledge(self):
        self.acknowledged.append(self.number)


@dataclass
class FakeSource:
    waiting: list[FakeDelivery]
    told: list[tuple[str, dict]] = field(default_factory=list)
    taken: int = 0

    async def deliveries(self):
        for delivery in self.waiting:
            self.taken += 1
            yield delivery
        await asyncio.Event().wait()

    async def tell(self, messages):
        self.told += [(topic, json.loads(payload)) for topic, payload in messages]


@dataclass
class FakeSink:
    """Stores in memory; refuses at random, or for good what `poison` names."""

    unavailable_rate: float = 0.0
    poison: frozenset[int] = frozenset()
    seed: int = 0
    batches: list[Batch] = field(default_factory=list)

    def __post_init__(self):
        self.random = random.Random(self.seed)  # noqa: S311

    async def store(self, batch):
        await asyncio.sleep(0)
        if self.random.random() < self.unavailable_rate:
            raise StoreUnavailable("away")
        if any(reading.value in self.poison for reading in batch.readings):
            raise BatchRefused("poison")
        self.batches.append(batch)
        return Outcome(len(batch.readings), 0, batch.rejected)

    @property
    def stored(self):
        return [int(r.value) for batch in self.batches for r in batch.readings]


class FakeEnrolment:
    def __init__(self, rule=None, *, receipts=False):
        streams = {"no2": StreamRules(1)}
        known = DeviceRules(DeviceState.ACTIVE, moving=False, streams=streams, receipts=receipts)
        devices = {"d-1": known}
        self.registry = Registry({} if rule else devices, rule or ConnectorRule())
        self._devices = devices
        self.enrolled = []
        self.quarantined = []

    async def enrol(self, device, properties):
        self.enrolled.append((device, list(properties)))
        self.registry = Registry(self._devices, self.registry.rule)

    async def quarantine(self, device, reason):
        self.quarantined.append((device, reason))


def decode_number(_topic, payload):
    number = int(payload)
    return [Decoded("d-1", "no2", NOW + timedelta(microseconds=number), float(number), None)]


def make_pipeline(
    source,
    sink,
    enrolment=None,
    *,
    max_batch=10,
    meter=None,
    decode=decode_number,
    rule=DEFAULT_CONDUCT,
):
    return Pipeline(
        "mqtt",
        source,
        Examiner(decode),
        enrolment or FakeEnrolment(),
        sink,
        flow=Flow(max_batch, 0.001, 20),
        meter=meter or Meter(),
        arrivals=Arrivals("test", 100),
        conduct=Conduct(rule),
    )


async def run_until(pipeline, condition, timeout_s=10):
    async with asyncio.timeout(timeout_s):
        task = asyncio.create_task(pipeline.run())
        while not condition():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.0001)
    monkeypatch.setattr(module, "RETRY_LAST_S", 0.0001)


async def test_every_message_is_stored_then_acknowledged_in_order():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(55)])
    sink, meter = FakeSink(), Meter()
    await run_until(make_pipeline(source, sink, meter=meter), lambda: len(acknowledged) == 55)
    assert acknowledged == sink.stored == list(range(55))
    assert meter.in_flight == 0


async def test_a_store_that_comes_and_goes_loses_nothing():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(100)])
    sink = FakeSink(unavailable_rate=0.5)
    await run_until(make_pipeline(source, sink), lambda: len(acknowledged) == 100)
    assert acknowledged == sink.stored == list(range(100))


async def test_nothing_is_acknowledged_while_the_store_is_away():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(100)])
    sink = FakeSink(unavailable_rate=1.0)
    calls = []
    original = sink.store
    sink.store = lambda batch: (calls.append(1), original(batch))[1]
    await run_until(make_pipeline(source, sink), lambda: len(calls) > 5)
    assert acknowledged == []


async def test_one_poisonous_message_is_rejected_and_its_neighbours_are_stored():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(30)])
    sink = FakeSink(poison=frozenset({7, 23}))
    await run_until(make_pipeline(source, sink), lambda: len(acknowledged) == 30)
    assert sink.stored == [n for n in range(30) if n not in (7, 23)]
    lost = [r for batch in sink.batches for r in batch.rejections]
    assert [(r.reason, r.payload) for r in lost] == [
        (Reason.REFUSED_BY_STORE, b"7"),
        (Reason.REFUSED_BY_STORE, b"23"),
    ]
    assert acknowledged == list(range(30))


async def test_a_decoder_that_fails_costs_that_message_alone():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(3)])
    sink = FakeSink()

    def failing(topic, payload):
        if payload == b"1":
            raise RecursionError
        return decode_number(topic, payload)

    await run_until(make_pipeline(source, sink, decode=failing), lambda: len(acknowledged) == 3)
    assert sink.stored == [0, 2]
    [lost] = [r for batch in sink.batches for r in batch.rejections]
    assert (lost.reason, lost.payload) == (Reason.DECODER_FAILED, b"1")


async def test_a_retained_copy_is_rejected():
    acknowledged = []
    source = FakeSource([FakeDelivery(1, acknowledged, retained=True)])
    sink = FakeSink()
    await run_until(make_pipeline(source, sink), lambda: acknowledged == [1])
    assert [r.reason for r in sink.batches[0].rejections] == [Reason.RETAINED]


async def test_an_unknown_device_is_taken_in_where_the_rule_says_so():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(3)])
    sink, enrolment = FakeSink(), FakeEnrolment(ConnectorRule(register_under="environment"))
    await run_until(make_pipeline(source, sink, enrolment), lambda: len(acknowledged) == 3)
    assert enrolment.enrolled == [("d-1", ["no2"])]
    assert sink.stored == [0, 1, 2]


async def test_a_device_that_wants_receipts_hears_of_every_message_before_it_is_acknowledged():
    acknowledged = []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(3)])
    order = []
    tell = source.tell
    source.tell = lambda messages: (order.append(list(acknowledged)), tell(messages))[1]
    sink = FakeSink(poison=frozenset({1}))
    pipeline = make_pipeline(source, sink, FakeEnrolment(receipts=True))
    await run_until(pipeline, lambda: len(acknowledged) == 3)
    assert order == [[]]  # told first
    assert [topic for topic, _ in source.told] == ["v1/devices/d-1/receipts"] * 3
    by_payload = {told["payload"]: told for _, told in source.told}
    digest = hashlib.sha256(b"0").hexdigest()[:32]
    assert by_payload[f"sha256:{digest}"]["accepted"] == 1
    refused = by_payload[f"sha256:{hashlib.sha256(b'1').hexdigest()[:32]}"]
    assert refused["accepted"] == 0
    assert refused["rejected"][0]["reason"] == "refused_by_store"


async def test_who_did_not_ask_for_receipts_gets_none():
    acknowledged = []
    source = FakeSource([FakeDelivery(0, acknowledged)])
    await run_until(make_pipeline(source, FakeSink()), lambda: acknowledged == [0])
    assert source.told == []


async def test_messages_beyond_the_share_are_counted_and_the_rest_flows():
    acknowledged, sink, enrolment = [], FakeSink(), FakeEnrolment()
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(50)])
    neighbour = "v1/devices/d-2/readings"
    source.waiting += [FakeDelivery(n, acknowledged, topic=neighbour) for n in range(50, 53)]
    rule = ConductRule(rate=1, burst=10, excess=25)
    pipeline = make_pipeline(source, sink, enrolment, rule=rule, max_batch=100)
    await run_until(pipeline, lambda: len(acknowledged) == 53)
    assert sink.stored == [*range(10), 50, 51, 52]
    [lost] = [r for batch in sink.batches for r in batch.rejections]
    assert (lost.reason, lost.readings) == (Reason.TOO_MANY_MESSAGES, 40)
    [(device, reason)] = enrolment.quarantined
    assert device == "d-1"
    assert reason.startswith("flood: 25 messages")


class Weightless:
    readings = rejections = ()


@given(st.integers(1, 60), st.integers(1, 25))
@settings(deadline=None, max_examples=30)
def test_batching_keeps_the_order_and_forgets_nothing(count, max_size):
    class One(Weightless):
        readings = (1,)

    async def collect():
        queue = asyncio.Queue()
        for n in range(count):
            queue.put_nowait(Examined(n, One()))
        seen = []
        async for batch in batches(queue, max_size=max_size, max_age_s=0):
            assert len(batch) <= max_size
            seen += [examined.delivery for examined in batch]
            if len(seen) == count:
                return seen
        return seen

    assert asyncio.run(collect()) == list(range(count))


async def test_the_queue_is_bounded_by_readings_however_few_messages_hold_them():
    class Heavy(Weightless):
        readings = (1,) * 30

    queue = Waiting(50)
    for n in range(2):  # a message goes in while there is any room
        queue.put_nowait(Examined(n, Heavy()))
    assert queue.full()
    assert queue.get_nowait().delivery == 0
    assert not queue.full()


async def test_no_more_is_taken_than_a_batch_and_the_queue_hold_while_a_commit_lasts():
    acknowledged, in_flight = [], []
    source = FakeSource([FakeDelivery(n, acknowledged) for n in range(500)])

    class Slow(FakeSink):
        async def store(self, batch):
            for _ in range(100):
                await asyncio.sleep(0)
            in_flight.append(source.taken - len(acknowledged))
            return await super().store(batch)

    await run_until(make_pipeline(source, Slow()), lambda: len(acknowledged) == 500)
    assert max(in_flight) == 10 + 20 + 1  # a batch, the queue, and one that waits for room


def arrived(number, *, redelivered=False, seconds=0, packet_id=7):
    class Message(FakeDelivery):
        pass

    Message.packet_id = packet_id
    at = NOW + timedelta(seconds=seconds)
    return Message(number, [], redelivered=redelivered, received_at=at)


class TestArrivals:
    def test_a_redelivered_message_arrived_when_it_first_did(self):
        known = Arrivals("s", 10)
        first = known.first(arrived(1))
        again = known.first(arrived(1, redelivered=True, seconds=60))
        assert again == first

    def test_so_it_did_for_the_process_that_comes_after(self):
        first = Arrivals("s", 10).first(arrived(1))
        after = Arrivals("s", 10, [first])
        assert after.first(arrived(1, redelivered=True, seconds=60)) == first

    def test_the_same_content_sent_anew_is_another_message(self):
        known = Arrivals("s", 10)
        first = known.first(arrived(1))
        assert known.first(arrived(1, seconds=60)).received_at > first.received_at

    def test_other_content_under_the_same_packet_id_is_another_message(self):
        known = Arrivals("s", 10)
        first = known.first(arrived(1))
        assert known.first(arrived(2, redelivered=True, seconds=60)) != first

    def test_only_as_many_are_remembered_as_can_be_in_flight(self):
        known = Arrivals("s", 2)
        first = known.first(arrived(1, packet_id=1))
        for packet_id in (2, 3):
            known.first(arrived(1, packet_id=packet_id))
        again = known.first(arrived(1, packet_id=1, redelivered=True, seconds=60))
        assert again.received_at > first.received_at

    def test_what_comes_once_or_never_is_not_remembered(self):
        assert Arrivals("s", 2).first(arrived(1, packet_id=0)) is None
