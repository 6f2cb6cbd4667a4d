"""Receive from an MQTT broker so that nothing is acknowledged before somebody says so."""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from hub.errors import ConfigurationError

log = logging.getLogger(__name__)

QOS = 1
SUBACK_FAILURE = 0x80
RECONNECT_FIRST_S = 0.2
RECONNECT_LAST_S = 10.0
MICROSECOND = timedelta(microseconds=1)
RECEIPT_TIMEOUT_S = 5.0  # a device that hears nothing sends again, so this loses nothing


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is and who we are to it. `url` as mqtt://user:password@host:1883."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: bool = False

    @classmethod
    def from_url(cls, url: str) -> "Broker":
        """Read a broker URL (`mqtt` or `mqtts`); raise ConfigurationError saying what is wrong."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigurationError(f"the MQTT URL cannot be read: {error}") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigurationError(
                "an MQTT URL is written mqtt://user:password@host:1883, or mqtts:// for TLS"
            )
        tls = parts.scheme == "mqtts"
        return cls(
            parts.hostname,
            port or (8883 if tls else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            tls,
        )


class MqttDelivery:
    """One message, bound to the connection it came on."""

    __slots__ = (
        "_connection", "_qos", "packet_id", "payload", "received_at", "redelivered", "retained",
        "topic",
    )  # fmt: skip

    def __init__(
        self, message: paho.MQTTMessage, received_at: datetime, connection: "_Client"
    ) -> None:
        self.topic: str = message.topic
        self.payload = bytes(message.payload)
        self.retained: bool = message.retain
        self.received_at = received_at
        self.redelivered: bool = message.dup
        self.packet_id: int = message.mid  # 0 at QoS 0
        self._qos = message.qos
        self._connection = connection

    def acknowledge(self) -> None:
        # Packet ids belong to a session. After a reconnect this one may name another message,
        # which nobody has committed: the broker delivers ours again instead.
        if self._qos and self._connection.is_up:
            self._connection.puback(self.packet_id, self._qos)


class _Client(aiomqtt.Client):
    """aiomqtt's connection, with manual acknowledgement and without a task per message.

    aiomqtt has no public way to either (2.5): its paho client has the first, and overriding the
    callback that fills its queue gives the second.
    """

    def __init__(self, broker: Broker, client_id: str, source: "MqttSource") -> None:
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=client_id,
            clean_session=False,
            protocol=aiomqtt.ProtocolVersion.V311,  # paho parses MQTT 5 at a third of the speed
            tls_context=ssl.create_default_context() if broker.tls else None,
            keepalive=30,
            max_inflight_messages=0,  # without a limit of paho's own: a batch is one
        )
        self._source = source
        self._unconfirmed = 0
        self._confirmed: asyncio.Future[None] | None = None
        self._client.manual_ack_set(True)

    @property
    def is_up(self) -> bool:
        return not self._disconnected.done()

    def puback(self, mid: int, qos: int) -> None:
        self._client.ack(mid, qos)

    async def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish, then wait until the broker has confirmed all of it or the connection ends.

        aiomqtt's own `publish` does the same for one message, with a task and a timer each.
        """
        confirmed = self._confirmed = asyncio.get_running_loop().create_future()
        self._unconfirmed = len(messages)
        for topic, payload in messages:
            self._client.publish(topic, payload, QOS)
        await asyncio.wait(
            {confirmed, self._disconnected},
            timeout=RECEIPT_TIMEOUT_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._confirmed = None

    def _on_publish(self, *arguments: Any) -> None:  # noqa: ANN401  paho's
        del arguments
        self._unconfirmed -= 1
        if self._unconfirmed <= 0 and self._confirmed and not self._confirmed.done():
            self._confirmed.set_result(None)

    def when_lost(self, queue: "asyncio.Queue[MqttDelivery | None]") -> None:
        """Put None behind the last message when the connection ends."""

        def lost(ended: asyncio.Future[None]) -> None:
            ended.exception()  # looked at, so that asyncio does not report it as forgotten
            queue.put_nowait(None)

        self._disconnected.add_done_callback(lost)

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        del client, userdata
        self._source.arrived(message, self)


class MqttSource:
    """A subscription that survives its connections: the broker keeps what is not acknowledged.

    What can be in flight at QoS 1 is bounded by the broker's window. QoS 0 has no window, so
    beyond `qos0_limit` waiting messages such a message is dropped and counted.
    """

    def __init__(
        self, broker: Broker, topic: str, client_id: str, *, qos0_limit: int = 10_000
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._client_id = client_id
        self._qos0_limit = qos0_limit
        self._queue: asyncio.Queue[MqttDelivery | None] = asyncio.Queue()
        self._last_arrival = datetime.min.replace(tzinfo=UTC)
        self._connection: _Client | None = None
        self.connected = False
        self.qos0_dropped_total = 0

    def arrived(self, message: paho.MQTTMessage, connection: _Client) -> None:
        """Queue a message as it comes from the socket."""
        if message.qos == 0 and self._queue.qsize() >= self._qos0_limit:
            self.qos0_dropped_total += 1
            return
        self._queue.put_nowait(MqttDelivery(message, self._now(), connection))

    def _now(self) -> datetime:
        """Return a time that no earlier arrival has: it may become a reading's key."""
        now = datetime.now(UTC)
        if now <= self._last_arrival:
            now = self._last_arrival + MICROSECOND
        self._last_arrival = now
        return now

    async def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish (topic, payload) at QoS 1; return once the broker has them, or is gone."""
        if self._connection is not None and self._connection.is_up:
            await self._connection.tell(messages)

    async def deliveries(self) -> AsyncIterator[MqttDelivery]:
        """Yield what arrives, reconnecting with jitter whenever the broker goes away."""
        waited_s = RECONNECT_FIRST_S
        while True:
            try:
                async for delivery in self._one_connection():
                    waited_s = RECONNECT_FIRST_S
                    yield delivery
                log.warning("broker %s closed the connection", self._broker.host)
            except aiomqtt.MqttError as error:
                log.warning("broker %s:%d: %s", self._broker.host, self._broker.port, error)
            finally:
                self.connected, self._connection = False, None
            await asyncio.sleep(waited_s * random.uniform(0.5, 1.5))  # noqa: S311
            waited_s = min(waited_s * 2, RECONNECT_LAST_S)

    async def _one_connection(self) -> AsyncIterator[MqttDelivery]:
        self._queue = asyncio.Queue()  # what is left of the last connection comes again
        async with _Client(self._broker, self._client_id, self) as client:
            client.when_lost(self._queue)
            granted = await client.subscribe(self._topic, qos=QOS)
            if any(_refused(code) for code in granted):
                raise aiomqtt.MqttError(f"the broker refuses the subscription to {self._topic}")
            self.connected, self._connection = True, client
            log.info("subscribed to %s at %s:%d", self._topic, self._broker.host, self._broker.port)
            while (delivery := await self._queue.get()) is not None:
                yield delivery


def _refused(code: int | ReasonCode) -> bool:
    """Tell whether a SUBACK return code (MQTT 3.1.1, 3.9.3) says no."""
    return code == SUBACK_FAILURE if isinstance(code, int) else code.is_failure


class BrokerRefused(Exception):  # noqa: N818
    """The broker does not answer, or does not accept us."""


async def greet(broker: Broker, username: str, timeout_s: float = 10.0) -> float:
    """Sign in with the hub's password as another user, and out again; return the seconds it took.

    Not as the hub itself: where a broker binds sessions to users, that would end ingest's.
    """
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout_s):
            async with aiomqtt.Client(
                broker.host,
                broker.port,
                username=username,
                password=broker.password,
                tls_context=ssl.create_default_context() if broker.tls else None,
                identifier=username,
            ):
                return time.perf_counter() - started
    except TimeoutError as error:
        raise BrokerRefused(f"no answer within {timeout_s:g} s") from error
    except aiomqtt.MqttError as error:
        raise BrokerRefused(str(error)) from error
