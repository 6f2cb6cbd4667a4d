"""Which MQTT topics are the hub's own?"""

from hub.domain.identity import is_slug

_LEVELS = 4  # v1, devices, {device}, readings


def readings_topic(device: str) -> str:
    """Return where a device publishes."""
    return f"v1/devices/{device}/readings"


def receipts_topic(device: str) -> str:
    """Return where a device hears what became of what it published."""
    return f"v1/devices/{device}/receipts"


def device_of(topic: str) -> str | None:
    """Return the device whose readings a topic carries; None for any other topic."""
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[:2] != ["v1", "devices"] or levels[3] != "readings":
        return None
    return levels[2] if is_slug(levels[2]) else None
