"""What does a device hear once its message is committed?"""

import hashlib
from collections.abc import Iterator

import orjson

from hub.domain.registry import Registry
from hub.domain.topics import device_of, receipts_topic
from hub.ingest.batching import Examined, Pending

DIGEST_BYTES = 16


def receipts(batch: Pending, registry: Registry) -> Iterator[tuple[str, bytes]]:
    """Yield topic and payload of the receipt for each message whose device asked for them."""
    for examined in batch:
        device = device_of(examined.delivery.topic)
        rules = registry.devices.get(device) if device else None
        if device and rules and rules.receipts:
            yield receipts_topic(device), receipt(examined)


def receipt(examined: Examined) -> bytes:
    """Return the receipt for one committed message, as JSON.

    `payload` names the message by its content, which every device knows without having put an id
    into it. `accepted` counts the readings that are stored, now or since an earlier delivery.
    """
    delivery, intake = examined
    digest = hashlib.sha256(delivery.payload).digest()[:DIGEST_BYTES]
    return orjson.dumps(
        {
            "payload": f"sha256:{digest.hex()}",
            "received_at": delivery.received_at,
            "accepted": len(intake.readings),
            "rejected": [
                {"reason": lost.reason, "readings": lost.readings, "detail": lost.detail}
                for lost in intake.rejections
            ],
        },
        option=orjson.OPT_UTC_Z,
    )
