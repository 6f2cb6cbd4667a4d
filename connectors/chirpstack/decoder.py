"""What does ChirpStack v4 say of an uplink? https://www.chirpstack.io/docs/chirpstack/integrations/events.html"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from connectors.chirpstack.schema import UplinkEvent, plain
from connectors.lorawan.codec import Codec
from connectors.lorawan.codecs import CODECS
from connectors.lorawan.uplink import Uplink, read
from connectors.naming import device_id
from connectors.protobuf import parsed
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    an_object,
    instant,
    octets,
    shallow_json,
    since_epoch,
)
from hub.domain.intake import Limits, Reason

EVENTS = frozenset({"up", "join", "ack", "txack", "log", "status", "location", "integration"})
_CODEC = "codec"  # the tag of a device or its profile that names a codec of ours


def decode_json(topic: str, payload: bytes, limits: Limits, codec: Codec | None = None) -> Items:
    """Decode what comes on `application/{id}/device/{devEui}/event/up`, or by HTTP."""
    return _decode(topic, codec, limits, lambda: _from_json(payload, limits))


def decode_protobuf(
    topic: str, payload: bytes, limits: Limits, codec: Codec | None = None
) -> Items:
    """Decode the same with the integration's `json=false`."""
    return _decode(topic, codec, limits, lambda: _from_protobuf(payload, limits))


def _decode(
    topic: str,
    codec: Codec | None,
    limits: Limits,
    told: Callable[[], tuple[Uplink, Mapping[str, object]]],
) -> Items:
    if _event(topic) not in (None, "up"):
        return []
    try:
        uplink, tags = told()
        return read(uplink, CODECS.get(str(tags.get(_CODEC))) or codec, limits)
    except Fault as fault:
        return [fault.undecodable]


def _event(topic: str) -> str | None:
    """Return the kind of event that a topic names, None for a topic of another make."""
    *_, before, event = ["", *topic.split("/")]
    return event if before == "event" and event in EVENTS else None


def _from_json(payload: bytes, limits: Limits) -> tuple[Uplink, Mapping[str, object]]:
    event = an_object(shallow_json(payload, limits), "an event of ChirpStack")
    about = an_object(event.get("deviceInfo"), "'deviceInfo'")
    decoded, tags = event.get("object"), about.get("tags")
    port = event.get("fPort", 0)
    if not isinstance(port, int):
        raise Fault(Reason.WRONG_TYPE, "'fPort' must be a number")
    uplink = Uplink(
        device_id(a_text(about.get("devEui"), "'devEui'")),
        None if event.get("time") is None else instant(event["time"]),
        port,
        None if decoded is None else an_object(decoded, "'object'"),
        octets(event["data"], "'data'") if event.get("data") else b"",
    )
    return uplink, tags if isinstance(tags, dict) else {}


def _from_protobuf(payload: bytes, limits: Limits) -> tuple[Uplink, Mapping[str, object]]:
    event = parsed(UplinkEvent, payload, limits)
    if not event.device_info.dev_eui:
        raise Fault(Reason.WRONG_SHAPE, "'device_info.dev_eui' must be a text, not nothing")
    uplink = Uplink(
        device_id(event.device_info.dev_eui),
        _time(event.time) if event.HasField("time") else None,
        event.f_port,
        plain(event.object, limits) if event.HasField("object") else None,
        event.data,
    )
    return uplink, {tag.key: tag.value for tag in event.device_info.tags}


def _time(told: Any) -> datetime:  # noqa: ANN401
    """Read seconds and nanoseconds; what is finer than microseconds is cut off, as in JSON."""
    return since_epoch(told.seconds * 1_000_000 + told.nanos // 1_000, 1e-6)
