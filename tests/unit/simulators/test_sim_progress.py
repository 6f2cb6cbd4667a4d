"""Is every message sent, waiting, or counted as dropped, and is the user told what matters?"""

import asyncio
from contextlib import suppress

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators import publish
from simulators.city import sample_city
from simulators.progress import Backlog, Progress


def silent(_):
    """Tell nobody."""


async def test_messages_leave_in_the_order_they_came():
    backlog = Backlog(3, Progress(1, silent))
    for message in (b"1", b"2", b"3"):
        backlog.add(message)
    assert [await backlog.oldest() for _ in range(3)] == [b"1", b"2", b"3"]


async def test_the_oldest_gives_way_when_the_backlog_is_full_and_is_counted():
    progress = Progress(1, silent)
    backlog = Backlog(2, progress)
    for message in (b"1", b"2", b"3"):
        backlog.add(message)
    assert (await backlog.oldest(), progress.dropped) == (b"2", 1)


async def test_what_could_not_be_sent_is_sent_first():
    backlog = Backlog(3, Progress(1, silent))
    backlog.add(b"1")
    backlog.add(b"2")
    backlog.put_back(await backlog.oldest())
    assert await backlog.oldest() == b"1"


async def test_waiting_for_a_message_ends_when_one_comes():
    backlog = Backlog(3, Progress(1, silent))
    waiting = asyncio.create_task(backlog.oldest(), name="waiting")
    await asyncio.sleep(0)
    backlog.add(b"1")
    assert await waiting == b"1"


@given(st.lists(st.sampled_from(["add", "send", "fail"])), st.integers(1, 4))
def test_every_message_is_sent_or_waiting_or_counted(steps, size):
    progress = Progress(1, silent)

    async def follow():
        backlog, added, sent = Backlog(size, progress), 0, 0
        for step in steps:
            if step == "add":
                backlog.add(b"%d" % added)
                added += 1
            elif len(backlog):
                message = await backlog.oldest()
                backlog.add(b"%d" % added)  # one is observed while the other is on its way
                added += 1
                sent += step == "send"
                if step == "fail":
                    backlog.put_back(message)
            assert added == sent + len(backlog) + progress.dropped
            assert len(backlog) <= size

    asyncio.run(follow())


class BrokerAway:
    """A client which loses its connection at the given message."""

    def __init__(self, lost):
        self.lost = lost
        self.taken = []

    async def publish(self, topic, message, *, qos):
        if message == self.lost:
            raise aiomqtt.MqttError("away")
        self.taken.append(message)


async def test_a_message_that_was_not_acknowledged_is_sent_again():
    device = sample_city().devices[0]
    progress = Progress(1, silent)
    talker = publish._Talker(device, "password", "localhost", 1, progress)
    for message in (b"1", b"2", b"3"):
        talker._unsent.add(message)
    first, second = BrokerAway(lost=b"2"), BrokerAway(lost=b"end")
    with pytest.raises(aiomqtt.MqttError):
        await talker._send_all(first)
    talker._unsent.add(b"end")
    with pytest.raises(aiomqtt.MqttError):
        await talker._send_all(second)
    assert (first.taken, second.taken) == ([b"1"], [b"2", b"3"])
    assert progress.acknowledged == 3


class LosesCancellation:
    """A client whose first publish completes in the moment in which it is cancelled."""

    def __init__(self):
        self.publishing = asyncio.Event()
        self.taken = []

    async def publish(self, topic, message, *, qos):
        self.publishing.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        self.taken.append(message)


async def test_a_device_ends_even_when_its_cancellation_was_lost():
    device = sample_city().devices[0]
    talker = publish._Talker(device, "password", "localhost", 1, Progress(1, silent))
    talker._unsent.add(b"1")
    talker._unsent.add(b"2")
    client = LosesCancellation()
    sending = asyncio.create_task(talker._send_all(client), name="sending")
    await client.publishing.wait()
    sending.cancel()
    await asyncio.wait([sending], timeout=2)
    assert sending.cancelled()
    assert client.taken == [b"1"]


def test_one_line_tells_that_all_are_connected():
    told = []
    progress = Progress(2, told.append)
    with progress.one_more():
        assert told == []
        with progress.one_more():
            pass
        with progress.one_more():
            pass
    assert told == ["2 devices connected"]
    assert progress.connected == 0


def test_one_line_tells_of_trouble_and_one_of_its_end():
    told = []
    progress = Progress(1, told.append)
    progress.failed("noise-001", OSError("refused"))
    progress.failed("noise-001", OSError("refused"))
    with progress.one_more():
        pass
    assert told == [
        "noise-001 is not connected (refused); trying again",
        "1 devices connected",
    ]


async def test_a_device_without_password_is_refused_before_anything_connects():
    device = sample_city().devices[0]
    with pytest.raises(ValueError, match=f"no password for {device.id}"):
        await publish.run_city([device], {}, host="localhost", port=1, tell=silent)
