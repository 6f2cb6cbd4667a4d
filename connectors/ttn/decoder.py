"""What does The Things Stack say of an uplink? https://www.thethingsindustries.com/docs/

It leaves out what is empty, 0 or false: an `f_port` that is not there is 0.
"""

from collections.abc import Mapping
from datetime import datetime

from connectors.lorawan.codec import Codec
from connectors.lorawan.codecs import of_model
from connectors.lorawan.uplink import Uplink, read
from connectors.naming import device_id
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    an_object,
    instant,
    is_number,
    octets,
    place,
    shallow_json,
)
from hub.domain.intake import Limits, Reason
from hub.domain.sensing import Position

# In locations, from what the device said itself to where somebody put it on a map.
_SOURCES = ("frm-payload", "gps", "user")


def decode(topic: str, payload: bytes, limits: Limits, codec: Codec | None = None) -> Items:
    """Decode what comes on `v3/{application}@{tenant}/devices/{device}/up`, or by webhook."""
    del topic
    try:
        message = an_object(shallow_json(payload, limits), "a message of The Things Stack")
        if "uplink_message" not in message:
            return _other(message)
        told = an_object(message["uplink_message"], "'uplink_message'")
        return read(_uplink(message, told), _of_its_model(told) or codec, limits)
    except Fault as fault:
        return [fault.undecodable]


def _other(message: Mapping[str, object]) -> Items:
    """Return nothing for a join, a downlink or the like; raise Fault for what is none of these."""
    if "end_device_ids" not in message:
        raise Fault(Reason.WRONG_SHAPE, "neither 'uplink_message' nor 'end_device_ids'")
    return []


def _uplink(message: Mapping[str, object], told: Mapping[str, object]) -> Uplink:
    ids = an_object(message.get("end_device_ids"), "'end_device_ids'")
    device = device_id(a_text(ids.get("device_id"), "'device_id'"))
    decoded = told.get("decoded_payload")
    return Uplink(
        device,
        _time(told.get("received_at", message.get("received_at"))),
        _port(told.get("f_port", 0)),
        None if decoded is None else an_object(decoded, "'decoded_payload'"),
        octets(told["frm_payload"], "'frm_payload'") if "frm_payload" in told else b"",
        _position(told.get("locations")),
    )


def _time(received_at: object) -> datetime | None:
    return None if received_at is None else instant(received_at, "'received_at'")


def _port(port: object) -> int:
    if not isinstance(port, int):
        raise Fault(Reason.WRONG_TYPE, "'f_port' must be a number")
    return port


def _position(locations: object) -> Position | None:
    if not isinstance(locations, dict):
        return None
    for source in _SOURCES:
        found = locations.get(source)
        if isinstance(found, dict):
            # What is 0 is left out here too: a buoy at the equator has no latitude.
            lon, lat = found.get("longitude", 0), found.get("latitude", 0)
            if is_number(lon) and is_number(lat) and (lon or lat):
                return place(lon, lat)
    return None


def _of_its_model(told: Mapping[str, object]) -> Codec | None:
    ids = told.get("version_ids")
    if not isinstance(ids, dict):
        return None
    return of_model(str(ids.get("brand_id", "")), str(ids.get("model_id", "")))
