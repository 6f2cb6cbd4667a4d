"""Does a stream bring everything once, and end with the right to it?"""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.sharing import AgreementState
from hub.storage import sharing


def as_(key):
    return {"Authorization": f"Bearer {key}"}


class Events:
    """Reads server-sent events from a stream driven without a server."""

    def __init__(self, pieces):
        self._pieces = pieces

    async def next(self, *names):
        async with asyncio.timeout(10):
            while True:
                piece = (await anext(self._pieces)).decode()
                fields = dict(line.split(": ", 1) for line in piece.splitlines() if ": " in line)
                if fields["event"] in names:
                    return int(fields["id"]), json.loads(fields["data"])


@asynccontextmanager
async def following(hub, key, feed, position=None):
    from hub.api.stream import (  # noqa: PLC0415
        Subscription,
        begin_at,
        follow,
        open_subscription,
    )
    from hub.domain.queries import ReadingQuery  # noqa: PLC0415

    subscription = Subscription(key, feed, ReadingQuery())
    opened = await open_subscription(hub, subscription)
    begun = await begin_at(hub, None if position is None else str(position))
    pieces = follow(hub, subscription, opened, begun)
    try:
        yield Events(pieces)
    finally:
        await pieces.aclose()


class TestStream:
    async def test_what_is_stored_comes_and_a_resumed_stream_has_no_gap(self, hub, db, city, make):
        stream = city.streams["noise-1", "laeq"]
        times = [make.noon + timedelta(seconds=n) for n in range(6)]
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await make.store_readings(db, make.reading(stream, times[0], 1.0))
            position, [row] = await events.next("readings")
            assert (row["device"], row["value"]) == ("noise-1", 1.0)
        for number in range(1, 6):
            await make.store_readings(db, make.reading(stream, times[number], float(number + 1)))
        async with following(hub, city.keys["traffic"], "noise", position) as events:
            _, rows = await events.next("readings")
        assert [row["value"] for row in rows] == [2.0, 3.0, 4.0, 5.0, 6.0]

    async def test_only_the_feed_s_own_readings_come(self, hub, db, city, make):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await make.store_readings(db, make.reading(city.streams["private-1", "laeq"]))
            await make.store_readings(db, make.reading(city.streams["noise-2", "laeq"]))
            _, [row] = await events.next("readings")
        assert row["device"] == "noise-2"

    async def test_it_ends_when_the_agreement_does(self, hub, db, city):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            for agreement in await sharing.all_agreements(db):
                if agreement.consumer == "traffic":
                    await sharing.set_agreement_state(db, agreement.id, AgreementState.REVOKED)
            async with asyncio.timeout(5):
                await events.next("end")

    async def test_it_ends_when_the_key_is_revoked(self, hub, db, city):
        async with following(hub, city.keys["traffic"], "noise") as events:
            await events.next("ready")
            await sharing.revoke_key(db, city.keys["traffic"][4:12])
            async with asyncio.timeout(5):
                await events.next("end")

    async def test_it_ends_when_the_agreement_runs_out(self, hub, db, city):
        await db.execute(
            "update agreement set valid_until = now() + interval '1 second' "
            "where consumer = 'traffic'"
        )
        async with following(hub, city.keys["traffic"], "noise") as events:
            async with asyncio.timeout(6):
                await events.next("end")

    async def test_a_delayed_right_gets_every_reading_once_it_is_old_enough(
        self, hub, db, city, make
    ):
        await db.execute("update agreement set delay = interval '2 s' where consumer = 'region'")
        stream = city.streams["noise-1", "no2"]
        async with following(hub, city.keys["region"], "noise") as events:
            await events.next("ready")
            stored_at = datetime.now(UTC)
            await make.store_readings(db, make.reading(stream, stored_at))
            _, [row] = await events.next("readings")
            assert datetime.now(UTC) - stored_at >= timedelta(seconds=2)
        assert row["time"].startswith(stored_at.isoformat()[:19])

    async def test_it_beats_while_others_are_busy_and_its_position_moves_on(
        self, hub, db, city, make, monkeypatch
    ):
        monkeypatch.setattr("hub.api.stream.HEARTBEAT_S", 0.3)
        async with following(hub, city.keys["traffic"], "noise") as events:
            begun, _ = await events.next("ready")

            async def be_busy():
                for number in itertools.count():
                    at = make.noon + timedelta(seconds=number)
                    await make.store_readings(
                        db, make.reading(city.streams["private-1", "laeq"], at)
                    )

            busy = asyncio.create_task(be_busy())
            position, _ = await events.next("heartbeat")
            busy.cancel()
            assert position > begun

    @pytest.mark.parametrize("text", ["x", "-1", "1e9", "9" * 30])
    async def test_a_position_that_is_none_is_refused(self, http, city, text):
        answer = await http.get("/api/v1/feeds/open/stream", headers={"Last-Event-ID": text})
        assert answer.status_code == 400
