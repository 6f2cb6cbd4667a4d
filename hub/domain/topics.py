"""Which MQTT topics are the hub's own?"""

import re

from hub.domain.identity import is_slug

NATIVE = "native"  # the format of what devices of our own send

_LEVELS = 4  # v1, devices, {device}, readings
_ORGANISATIONS = "v1/organisations/"
_SPEAKS = "/+"
_POSTED = re.compile(
    r"v1/(?:devices/(?P<device>[^/]+)|organisations/(?P<organisation>[^/]+))"
    r"/readings/\+(?P<format>.+)"
)


def readings_topic(device: str) -> str:
    """Return where a device publishes."""
    return f"v1/devices/{device}/readings"


def posted_topic(sender: str, format_: str, *, organisation: bool = False) -> str:
    """Return under which topic a payload is kept that came over HTTP, so that it can be replayed.

    A device's native payload is one like any. Another format stands behind the topic, with a plus
    that no topic may have on which something is published (MQTT 3.1.1, section 4.7.1): no broker
    can deliver it. An organisation may hand in for all its devices at once.
    """
    if organisation:
        return f"{_ORGANISATIONS}{sender}/readings{_SPEAKS}{format_}"
    native = readings_topic(sender)
    return native if format_ == NATIVE else f"{native}{_SPEAKS}{format_}"


def posted(topic: str) -> tuple[str, str] | None:
    """Return the format of what came over HTTP, and the topic to decode it under."""
    match = _POSTED.fullmatch(topic) if _SPEAKS in topic else None
    if match is None:
        return None
    return match["format"], readings_topic(match["device"]) if match["device"] else ""


def organisation_of(topic: str) -> str | None:
    """Return the organisation that handed in what is kept under a topic."""
    match = _POSTED.fullmatch(topic) if _SPEAKS in topic else None
    return match["organisation"] if match else None


def receipts_topic(device: str) -> str:
    """Return where a device hears what became of what it published."""
    return f"v1/devices/{device}/receipts"


def device_of(topic: str) -> str | None:
    """Return the device whose readings a topic carries; None for any other topic."""
    levels = topic.split("/")
    if len(levels) != _LEVELS or levels[:2] != ["v1", "devices"] or levels[3] != "readings":
        return None
    return levels[2] if is_slug(levels[2]) else None


def device_may(device: str, action: str, topic: str, *, retain: bool = False) -> bool:
    """Tell whether a device may `publish` to a topic, or `subscribe` to a filter.

    Compared letter by letter: a filter with a wildcard, or shared, is none of its own.
    """
    if action == "publish":
        return topic == readings_topic(device) and not retain
    return action == "subscribe" and topic == receipts_topic(device)


def hub_may(action: str, topic: str) -> bool:
    """Tell whether the hub's own processes may: read all readings, tell devices, deliver."""
    if action == "subscribe":
        levels = topic.split("/", 2)
        shared = levels[0] == "$share" and len(levels) > 2  # noqa: PLR2004  group, then filter
        return (levels[2] if shared else topic) == readings_topic("+")
    levels = topic.split("/")
    return (
        action == "publish"
        and len(levels) == _LEVELS
        and (levels[1], levels[3]) in (("devices", "receipts"), ("feeds", "readings"))
        and levels[0] == "v1"
        and is_slug(levels[2])
    )


def subscribed(subscription: str) -> str:
    """Return the filter of a subscription, which may be shared: `$share/{group}/{filter}`."""
    levels = subscription.split("/", 2)
    return levels[2] if levels[0] == "$share" and len(levels) > 2 else subscription  # noqa: PLR2004


def is_filter(text: str) -> bool:
    """Tell whether a text is a topic filter (MQTT 3.1.1, section 4.7)."""
    levels = text.split("/")
    whole = all(level in ("+", "#") or not set(level) & {"+", "#"} for level in levels)
    return bool(text) and whole and "#" not in levels[:-1] and "\0" not in text


def overlap(one: str, other: str) -> bool:
    """Tell whether some topic fits both filters; a topic itself is a filter that only it fits."""
    ours, theirs = one.split("/"), other.split("/")
    for a, b in ((ours[0], theirs[0]), (theirs[0], ours[0])):
        if a.startswith("$") and b in ("+", "#"):  # the broker's own topics fit no wildcard
            return False
    for a, b in zip(ours, theirs, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    more = ours[len(theirs) :] or theirs[len(ours) :]
    return not more or more == ["#"]  # `a/#` fits `a` too
