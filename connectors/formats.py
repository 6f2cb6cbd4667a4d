"""Which payload formats are there, and what decodes each?

A format of somebody else's is an entry point of the group `stadsnav.formats`: a callable that takes
the Limits once and gives back a decoder; docs/formats.md has an example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from connectors import (
    chirpstack,
    cloudevents,
    csv,
    mapping,
    native,
    ngsi_ld,
    senml,
    sensorthings,
    sparkplug,
    ttn,
)
from connectors.lorawan.codec import Codec
from connectors.lorawan.codecs import codec
from connectors.topics import shelly, tasmota, value, zigbee2mqtt
from connectors.untrusted import Fault, bounded, few, named, place, result
from hub.domain.identity import is_slug
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.errors import ConfigurationError
from hub.ingest.ports import Decode

__all__ = ["FORMATS", "Decoded", "Limits", "Reason", "Undecodable", "decoder", "third_party"]

GROUP = "stadsnav.formats"
MAPPING = ".toml"  # what ends so is a mapping file, not a name

Make = Callable[[Limits], Decode]
Items = Sequence[Decoded | Undecodable]


@dataclass(frozen=True, slots=True)
class Format:
    """What a format is, in a line, and how a decoder of it is made.

    `with_`: how one is made of what stands behind a plus, as in `ttn+elsys`. `remembers`: what a
    message says depends on those before it, so that a decoder must see all.
    """

    told: str
    make: Make
    with_: Callable[[Limits, str], Decode] | None = None
    remembers: bool = False


def _plain(decode: Callable[[str, bytes, Limits], Items]) -> Make:
    """Make a format of a function that remembers nothing."""

    def make(limits: Limits) -> Decode:
        return lambda topic, payload: decode(topic, payload, limits)

    return make


class _OfUplinks(Protocol):
    def __call__(
        self, topic: str, payload: bytes, limits: Limits, codec: Codec | None = None
    ) -> Items: ...


def _uplinks(told: str, decode: _OfUplinks) -> Format:
    """Make a format of a network server's uplinks, which a codec may have to read."""

    def coded(limits: Limits, name: str) -> Decode:
        known = codec(name)
        return lambda topic, payload: decode(topic, payload, limits, known)

    return Format(told, _plain(decode), coded)


# What a content type means where nobody says more: in an event, or in a request.
MEDIA_TYPES = {
    "application/json": "native",
    "application/senml+json": "senml",
    "application/senml+cbor": "senml-cbor",
    "application/ld+json": "ngsi-ld",
    "application/cloudevents+json": "cloudevents",
    "application/cloudevents-batch+json": "cloudevents",
    "text/csv": "csv",
}


def _events(limits: Limits) -> Decode:
    """Make a decoder of events, each with data of the format that its content type says."""
    known = {
        media_type: decoder(name, limits)
        for media_type, name in MEDIA_TYPES.items()
        if name != "cloudevents"  # nobody puts an event into an event, but to make us work
    }

    def choose(media_type: str) -> Decode:
        if media_type not in known:
            told = ", ".join(known)
            raise Fault(Reason.WRONG_SHAPE, f"data of {named(media_type)}; known are {told}")
        return known[media_type]

    return lambda topic, payload: cloudevents.decode(topic, payload, limits, choose)


def _events_of(limits: Limits, name: str) -> Decode:
    """Make a decoder of events whose data speaks one format, whatever their content type."""
    if name.partition("+")[0] == "cloudevents" or remembers(name):
        raise ConfigurationError(f"events cannot hold '{name}'")
    decode = decoder(name, limits)
    return lambda topic, payload: cloudevents.decode(topic, payload, limits, lambda _: decode)


FORMATS: dict[str, Format] = {
    "native": Format("what a device of your own sends to Stadsnav", _plain(native.decode)),
    "senml": Format("SenML in JSON (RFC 8428)", _plain(senml.decode_json)),
    "senml-cbor": Format("SenML in CBOR (RFC 8428)", _plain(senml.decode_cbor)),
    "ttn": _uplinks("uplinks from The Things Stack v3; ttn+CODEC", ttn.decode),
    "chirpstack": _uplinks("events from ChirpStack v4, JSON; +CODEC", chirpstack.decode_json),
    "chirpstack-protobuf": _uplinks(
        "events from ChirpStack v4, Protocol Buffers; +CODEC", chirpstack.decode_protobuf
    ),
    "ngsi-ld": Format("notifications of NGSI-LD, normalised or simplified", _plain(ngsi_ld.decode)),
    "sensorthings": Format("Observations of OGC SensorThings", _plain(sensorthings.decode)),
    "cloudevents": Format(
        "CloudEvents around any of these: cloudevents+FORMAT, or by their content type",
        _events,
        _events_of,
    ),
    "sparkplug": Format("Sparkplug B", sparkplug.Decoder, remembers=True),
    "csv": Format("lines of comma-separated values under a header", _plain(csv.decode)),
    "value": Format("a bare value on …/{device}/{property}", _plain(value.decode)),
    "zigbee2mqtt": Format("states from Zigbee2MQTT", _plain(zigbee2mqtt.decode)),
    "tasmota": Format("telemetry of Tasmota", _plain(tasmota.decode)),
    "shelly": Format("status of Shelly devices, all generations", _plain(shelly.decode)),
}


def decoder(name: str, limits: Limits) -> Decode:
    """Return a new decoder of a format; raise ConfigurationError where there is no such format.

    A decoder may remember what it has seen: each connection to a source needs one of its own.
    """
    if name in FORMATS:
        return FORMATS[name].make(limits)
    outer, plus, inner = name.partition("+")
    if plus and outer in FORMATS:
        return _combined(outer, inner, limits)
    if name.endswith(MAPPING):
        return mapping.make(limits, name)
    for found in third_party():
        if found.name == name:
            return _foreign(found, limits)
    known = ", ".join([*FORMATS, *(found.name for found in third_party())])
    raise ConfigurationError(
        f"there is no payload format '{name}'; known are {known}, and mapping files FILE{MAPPING}"
    )


def remembers(name: str) -> bool:
    """Tell whether what a message of a format says depends on those before it."""
    known = FORMATS.get(name)
    return known is not None and known.remembers


def _combined(outer: str, inner: str, limits: Limits) -> Decode:
    make = FORMATS[outer].with_
    if make is None:
        takers = ", ".join(name for name, format_ in FORMATS.items() if format_.with_)
        raise ConfigurationError(
            f"the payload format '{outer}' takes nothing behind it, not '+{inner}'; {takers} do"
        )
    return make(limits, inner)


def third_party() -> Sequence[EntryPoint]:
    """Return the formats that other packages bring, which take no name from ours."""
    return [found for found in entry_points(group=GROUP) if found.name not in FORMATS]


def _foreign(found: EntryPoint, limits: Limits) -> Decode:
    try:
        decode: Decode = found.load()(limits)
    except Exception as error:  # whatever a package does when it is imported
        raise ConfigurationError(
            f"the payload format '{found.name}' of {found.value} cannot be used: {error}"
        ) from error

    def checked(topic: str, payload: bytes) -> Items:
        try:
            bounded(payload, limits)
            items = decode(topic, payload)
            few(len(items), limits)
        except Fault as fault:
            return [fault.undecodable]
        return [item if isinstance(item, Undecodable) else _sound(item, limits) for item in items]

    return checked


def _sound(item: Decoded, limits: Limits) -> Decoded | Undecodable:
    """Hold what somebody else's decoder made of untrusted bytes to the rules of ours."""
    if not is_slug(item.device) or not is_slug(item.property):
        told = f"{named(item.device)} or {named(item.property)} is no valid id"
        return Undecodable(Reason.BAD_NAME, told)
    if isinstance(item.time, datetime) and item.time.tzinfo is None:
        return Undecodable(Reason.TIME_WITHOUT_OFFSET, "the format made a time without offset")
    try:
        position = None if item.position is None else place(*item.position)
        return item._replace(value=result(item.property, item.value, limits), position=position)
    except Fault as fault:
        return fault.undecodable
