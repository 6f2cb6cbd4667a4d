"""Publish as many devices over one connection, as fast as the broker takes it.

The packets are written by hand (MQTT 3.1.1, section 3): a client library takes 120 µs per message
where the broker takes 15, and a million messages would take two minutes to send.
"""

import socket
import struct
import time
from collections.abc import Iterable
from itertools import islice
from typing import Self

from bench.hub import PASSWORD, USER, device_id
from hub.embedded.network import HOST

IN_FLIGHT = 1_000
AT_ONCE = 100  # packets per write
TIMEOUT_S = 60  # a broker that writes its snapshot of a million messages is silent for seconds

_CONNECT, _CONNACK, _PUBLISH, _DISCONNECT = 0x10, 0x20, 0x30, 0xE0
_CLEAN_WITH_PASSWORD = 0b1100_0010
_PUBACK_BYTES = 4

Message = tuple[int, bytes]  # device number, payload


class Publisher:
    """A connection that sends, and counts the broker's acknowledgements."""

    def __init__(self, port: int, client_id: str = "bench-publisher") -> None:
        self._socket = socket.create_connection((HOST, port), timeout=TIMEOUT_S)
        self._sent = 0
        self._acknowledged_bytes = 0
        self._sign_in(client_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendall(bytes([_DISCONNECT, 0]))
        self._socket.close()

    def _sign_in(self, client_id: str) -> None:
        flags = struct.pack(">BBH", 4, _CLEAN_WITH_PASSWORD, 0)  # 0: no keep-alive
        texts = b"".join(_text(text) for text in (client_id, USER, PASSWORD))
        self._socket.sendall(_packet(_CONNECT, _text("MQTT") + flags + texts))
        answer = self._socket.recv(4)
        if answer[0] != _CONNACK or answer[3] != 0:
            raise RuntimeError(f"the broker refuses the publisher: {answer!r}")

    def publish_all(self, messages: Iterable[Message], qos: int = 1) -> float:
        """Publish everything; return messages per second.

        At QoS 1 they are counted when the broker has acknowledged them all, at QoS 0 when they are
        written to the socket.
        """
        started, before = time.perf_counter(), self._sent
        waiting = iter(messages)
        while some := list(islice(waiting, AT_ONCE)):
            self._send(some, qos)
            if qos:
                self._wait_until_in_flight(IN_FLIGHT - AT_ONCE)
        if qos:
            self._wait_until_in_flight(0)
        return (self._sent - before) / (time.perf_counter() - started)

    def _send(self, messages: list[Message], qos: int) -> None:
        packets = bytearray()
        for device, payload in messages:
            topic = _text(f"v1/devices/{device_id(device)}/readings")
            packet_id = struct.pack(">H", self._sent % 65_535 + 1) if qos else b""
            packets += _packet(_PUBLISH | qos << 1, topic + packet_id + payload)
            self._sent += 1
        self._socket.sendall(packets)

    def _wait_until_in_flight(self, count: int) -> None:
        while self._sent - self._acknowledged_bytes // _PUBACK_BYTES > count:
            received = self._socket.recv(65_536)
            if not received:
                raise RuntimeError("the broker closed the connection")
            self._acknowledged_bytes += len(received)


def _packet(kind: int, body: bytes) -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (128 if size else 0))
        if not size:
            return bytes([kind]) + bytes(length) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded
