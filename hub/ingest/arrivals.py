"""When did a message without a time first arrive, if this is not the first time that it comes?

The time of arrival becomes the reading's phenomenon time, and so its key: a message that the broker
delivers again must get the one it had.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable

from hub.domain.intake import Arrival
from hub.ingest.ports import Delivery


class Arrivals:
    """The last arrivals of one session, by packet id.

    A broker gives a packet id to another message only after an acknowledgement, and goes through
    65,535 of them before it comes back to one. Of the last `window` arrivals no two share an id, so
    a redelivered message (DUP, MQTT 3.1.1 section 3.3.1.1) with a known id and the same content is
    the same message.
    """

    def __init__(self, session: str, window: int, known: Iterable[Arrival] = ()) -> None:
        self._session = session
        self._window = window
        self._by_packet = OrderedDict((arrival.packet_id, arrival) for arrival in known)

    def first(self, delivery: Delivery) -> Arrival | None:
        """Return when this message first arrived, and remember it; None if it cannot come again."""
        if not delivery.packet_id:
            return None  # QoS 0 is delivered once or never
        digest = _digest(delivery)
        known = self._by_packet.get(delivery.packet_id)
        if known is None or not delivery.redelivered or known.digest != digest:
            known = Arrival(self._session, delivery.packet_id, digest, delivery.received_at)
        self._remember(known)
        return known

    def _remember(self, arrival: Arrival) -> None:
        self._by_packet[arrival.packet_id] = arrival
        self._by_packet.move_to_end(arrival.packet_id)
        if len(self._by_packet) > self._window:
            self._by_packet.popitem(last=False)


def _digest(delivery: Delivery) -> bytes:
    content = delivery.topic.encode() + b"\0" + delivery.payload
    return hashlib.blake2b(content, digest_size=16).digest()
