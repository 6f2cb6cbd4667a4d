"""Receive from an MQTT broker so that nothing is acknowledged before somebody says so."""

import asyncio
import logging
import random
import ssl
import struct
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from connectors.tls import Handshake, Tls, explained, shake_hands
from hub.errors import ConfigurationError

log = logging.getLogger(__name__)

QOS = 1
SUBACK_FAILURE = 0x80
RECONNECT_FIRST_S = 0.2
RECONNECT_LAST_S = 10.0
MICROSECOND = timedelta(microseconds=1)

RECEIVE_BYTES = 16 * 1024  # read at a time: a hundred small messages, two milliseconds of work
WAITING_BYTES = 8 * 1024 * 1024  # what may wait here; more than a window of small messages
QOS0_BYTES = WAITING_BYTES // 2  # beyond, QoS 0 is dropped: it must not fill what QoS 1 needs
MESSAGE_BYTES = 500  # what a message takes beside its payload, roughly

_PUBACK = struct.Struct(">BBH")
RECEIPT_TIMEOUT_S = 5.0  # a device that hears nothing sends again, so this loses nothing


@dataclass(frozen=True, slots=True)
class Broker:
    """Where a broker is, who we are to it, and, over TLS, whom we trust."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None

    @classmethod
    def from_url(cls, url: str, tls: Tls | None = None) -> "Broker":
        """Read a broker URL; `tls` counts for `mqtts`. Raises ConfigurationError.

        Written mqtt://user:password@host:1883, or mqtts://host:8883.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise ConfigurationError(f"the MQTT URL cannot be read: {error}") from error
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigurationError(
                "an MQTT URL is written mqtt://user:password@host:1883, or mqtts:// for TLS"
            )
        secure = parts.scheme == "mqtts"
        return cls(
            parts.hostname,
            port or (8883 if secure else 1883),
            unquote(parts.username) if parts.username else None,
            unquote(parts.password) if parts.password else None,
            (tls or Tls()) if secure else None,
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

    @property
    def size(self) -> int:
        """Return the bytes of memory that the message takes while it waits, roughly."""
        return MESSAGE_BYTES + len(self.payload)

    def acknowledge(self) -> None:
        # Packet ids belong to a session. After a reconnect this one may name another message,
        # which nobody has committed: the broker delivers ours again instead.
        if self._qos and self._connection.is_up:
            self._connection.acknowledge(self.packet_id)


class _Connection(aiomqtt.Client):
    """aiomqtt's connection, which says at once why the broker does not take it.

    aiomqtt (2.5) waits out its whole timeout when a connection ends before the broker has
    answered, and paho tells why to its log alone. A broker that came back without its sessions
    acknowledges meanwhile what nobody has subscribed to; one that refuses a certificate explains.
    """

    def __init__(self, broker: Broker, **options: Any) -> None:  # noqa: ANN401  aiomqtt's
        self._broker = broker
        self._why = ""
        try:
            context = broker.tls.context() if broker.tls else None
        except OSError as error:
            raise aiomqtt.MqttError(f"the files for TLS cannot be used: {error}") from error
        super().__init__(
            broker.host, broker.port, password=broker.password, tls_context=context, **options
        )
        self._client.on_log = self._note

    def _note(self, client: paho.Client, userdata: object, level: int, text: str) -> None:
        del client, userdata
        if level == paho.MQTT_LOG_ERR:
            self._why = text

    async def __aenter__(self) -> Self:
        try:
            await super().__aenter__()
        except aiomqtt.MqttError as error:
            told, tls = self._why or str(error), self._broker.tls
            if tls is not None:
                told = explained(told, self._broker.host, tls)
            raise aiomqtt.MqttError(told) from error
        self._client.on_log = None  # paho formats every message for it
        return self

    def _on_disconnect(self, *arguments: Any) -> None:  # noqa: ANN401  paho's
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError("it closed the connection at once"))
            return
        super()._on_disconnect(*arguments)


class _Client(_Connection):
    """aiomqtt's connection with manual acknowledgement, in bulk, and one that can rest.

    aiomqtt has no public way to any of it (2.5). Its paho client acknowledges one message per
    system call and reads one in three; here the acknowledgements of a turn of the event loop leave
    together, and paho reads from a buffer. While the connection rests nothing is read, so that the
    broker keeps what it has: Mosquitto up to 2.0.11, at least, sends a whole window for every
    single acknowledgement (its issue 2301), so its window alone bounds nothing.
    """

    def __init__(self, broker: Broker, client_id: str, source: "MqttSource") -> None:
        super().__init__(
            broker,
            username=broker.username,
            identifier=client_id,
            clean_session=False,
            protocol=aiomqtt.ProtocolVersion.V311,  # paho parses MQTT 5 at a third of the speed
            keepalive=30,
            max_inflight_messages=0,  # without a limit of paho's own: a batch is one
        )
        self._source = source
        self._acknowledged = bytearray()
        self._buffer, self._at, self._may_ask = b"", 0, False
        self._rests = False
        self._unconfirmed = 0
        self._confirmed: asyncio.Future[None] | None = None
        self._client.manual_ack_set(True)

    @property
    def is_up(self) -> bool:
        return not self._disconnected.done()

    def acknowledge(self, packet_id: int) -> None:
        """Let the broker forget a message of QoS 1, at the end of this turn of the event loop."""
        if not self._acknowledged:
            self._loop.call_soon(self._send_acknowledgements)
        self._acknowledged += _PUBACK.pack(paho.PUBACK, 2, packet_id)

    def _send_acknowledgements(self) -> None:
        packets, self._acknowledged = bytes(self._acknowledged), bytearray()
        if self.is_up:
            self._client._packet_queue(paho.PUBACK, packets, 0, QOS)  # noqa: SLF001

    def _on_socket_open(self, client: paho.Client, userdata: object, sock: Any) -> None:  # noqa: ANN401
        super()._on_socket_open(client, userdata, sock)
        self._receive = client._sock_recv  # noqa: SLF001
        client._sock_recv = self._from_buffer  # type: ignore[assignment, method-assign]  # noqa: SLF001
        # In place of aiomqtt's reader. From paho's own thread, as aiomqtt says of this callback.
        self._loop.call_soon_threadsafe(self._loop.add_reader, sock.fileno(), self._read)

    def _from_buffer(self, size: int) -> bytes:
        """Return up to `size` bytes as paho's `_sock_recv` does, which asks for one or two."""
        if self._at == len(self._buffer):
            if not self._may_ask:
                raise BlockingIOError
            self._may_ask = False
            self._buffer, self._at = self._receive(RECEIVE_BYTES), 0
        taken = self._buffer[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def _read(self) -> None:
        """Ask the socket once, and let paho handle every packet that has come."""
        try:
            self._may_ask = True
            while self._may_ask or self._at < len(self._buffer):
                if self._rests or self._client.loop_read() != paho.MQTT_ERR_SUCCESS:
                    return
                self._may_ask |= self._at == len(self._buffer) and self._is_decrypted()
        except Exception as error:  # noqa: BLE001  as aiomqtt: whatever it is ends the connection
            if not self._disconnected.done():
                self._disconnected.set_exception(error)

    def _is_decrypted(self) -> bool:
        """Tell whether TLS holds bytes that the socket has nothing to say about any more."""
        sock = self._client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def rest(self) -> None:
        """Read nothing until `go_on`: the broker keeps the rest."""
        sock = self._client.socket()
        if not self._rests and sock is not None:
            self._rests = True
            self._loop.remove_reader(sock.fileno())

    def go_on(self) -> None:
        sock = self._client.socket()
        if self._rests and sock is not None:
            self._rests = False
            self._loop.add_reader(sock.fileno(), self._read)
            self._loop.call_soon(self._read)  # something may be left in the buffer

    async def _misc_loop(self) -> None:
        while True:
            if self._rests:
                # The answer to our ping lies behind what we do not read: it is not overdue.
                self._client._ping_t = 0  # noqa: SLF001
            if self._client.loop_misc() != paho.MQTT_ERR_SUCCESS:
                return
            await asyncio.sleep(1)

    async def tell(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Publish, then wait until the broker has confirmed all of it or the connection ends.

        aiomqtt's own `publish` does the same for one message, with a task and a timer each. While
        we rest no confirmation can be read; the broker takes these before what is sent after them.
        """
        confirmed = self._confirmed = asyncio.get_running_loop().create_future()
        self._unconfirmed = len(messages)
        for topic, payload in messages:
            self._client.publish(topic, payload, QOS)
        if not self._rests:
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

    What waits here is bounded in bytes, whatever the broker sends. Beyond that the connection
    rests. QoS 0, which the broker would not keep, is dropped and counted before it comes to that.
    """

    def __init__(
        self, broker: Broker, topic: str, client_id: str, *, also: Sequence[str] = ()
    ) -> None:
        self._broker = broker
        self._topics = (topic, *also)
        self._client_id = client_id
        self._waiting_bytes = 0
        self._queue: asyncio.Queue[MqttDelivery | None] = asyncio.Queue()
        self._last_arrival = datetime.min.replace(tzinfo=UTC)
        self._connection: _Client | None = None
        self.connected = False
        self.qos0_dropped_total = 0

    def arrived(self, message: paho.MQTTMessage, connection: _Client) -> None:
        """Queue a message as it comes from the socket."""
        if message.qos == 0 and self._waiting_bytes >= QOS0_BYTES:
            self.qos0_dropped_total += 1
            return
        delivery = MqttDelivery(message, self._now(), connection)
        self._waiting_bytes += delivery.size
        if self._waiting_bytes >= WAITING_BYTES and self.connected:
            # Not before: the answer to our subscription comes behind a window of what waited.
            connection.rest()
        self._queue.put_nowait(delivery)

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
        # What is left of the last connection comes again.
        self._queue, self._waiting_bytes = asyncio.Queue(), 0
        async with _Client(self._broker, self._client_id, self) as client:
            client.when_lost(self._queue)
            granted = await client.subscribe([(topic, QOS) for topic in self._topics])
            refused = [_refused(code) for code in granted]
            for topic, no in zip(self._topics, refused, strict=True):
                if no:
                    raise aiomqtt.MqttError(f"the broker refuses the subscription to {topic}")
            self.connected, self._connection = True, client
            told = " and ".join(self._topics)
            log.info("subscribed to %s at %s:%d", told, self._broker.host, self._broker.port)
            while (delivery := await self._queue.get()) is not None:
                self._waiting_bytes -= delivery.size
                if self._waiting_bytes < WAITING_BYTES // 2:
                    client.go_on()
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
            async with _Connection(broker, username=username, identifier=username):
                return time.perf_counter() - started
    except TimeoutError as error:
        raise BrokerRefused(f"no answer within {timeout_s:g} s") from error
    except aiomqtt.MqttError as error:
        raise BrokerRefused(str(error)) from error


async def meet(broker: Broker, timeout_s: float = 10.0) -> Handshake:
    """Shake hands by TLS without signing in; raise BrokerRefused when either refuses the other."""
    tls = broker.tls or Tls()
    try:
        async with asyncio.timeout(timeout_s):
            return await shake_hands(broker.host, broker.port, tls)
    except TimeoutError as error:
        raise BrokerRefused(f"no answer within {timeout_s:g} s") from error
    except OSError as error:
        raise BrokerRefused(explained(str(error), broker.host, tls)) from error
