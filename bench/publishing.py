"""Publish as many devices over one connection, at QoS 1, in a thread of its own."""

import threading
import time
from collections.abc import Iterable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.hub import PASSWORD, USER, device_id
from hub.embedded.network import HOST

IN_FLIGHT = 1_000

Message = tuple[int, bytes]  # device number, payload


class Publisher:
    """A paho client that waits for the broker's acknowledgements."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "bench-publisher")
        self._client.username_pw_set(USER, PASSWORD)
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.max_queued_messages_set(0)
        self._client.on_publish = self._acknowledged
        self._waiting = threading.Semaphore(IN_FLIGHT)
        self._client.connect(HOST, port)
        self._client.loop_start()

    def _acknowledged(self, *_: object) -> None:
        self._waiting.release()

    def publish(self, device: int, payload: bytes) -> None:
        """Publish one message; waits while too many are not acknowledged."""
        self._waiting.acquire()
        self._client.publish(f"v1/devices/{device_id(device)}/readings", payload, qos=1)

    def publish_all(self, messages: Iterable[Message]) -> float:
        """Publish everything and wait until the broker has it; return messages per second."""
        started, count = time.perf_counter(), 0
        for device, payload in messages:
            self.publish(device, payload)
            count += 1
        for _ in range(IN_FLIGHT):
            self._waiting.acquire()
        for _ in range(IN_FLIGHT):
            self._waiting.release()
        return count / (time.perf_counter() - started)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
