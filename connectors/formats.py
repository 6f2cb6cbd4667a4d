"""Which payload formats are there, and what decodes each?

A format of somebody else's is an entry point of the group `stadsnav.formats`: a callable that takes
the Limits once and gives back a decoder; docs/formats.md has an example.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from connectors import chirpstack, csv, native, senml, sparkplug, ttn
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


FORMATS: dict[str, Format] = {
    "native": Format("what a device of your own sends to Stadsnav", _plain(native.decode)),
    "senml": Format("SenML in JSON (RFC 8428)", _plain(senml.decode_json)),
    "senml-cbor": Format("SenML in CBOR (RFC 8428)", _plain(senml.decode_cbor)),
    "ttn": _uplinks("uplinks from The Things Stack v3; ttn+CODEC", ttn.decode),
    "chirpstack": _uplinks("events from ChirpStack v4, JSON; +CODEC", chirpstack.decode_json),
    "chirpstack-protobuf": _uplinks(
        "events from ChirpStack v4, Protocol Buffers; +CODEC", chirpstack.decode_protobuf
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
    for found in third_party():
        if found.name == name:
            return _foreign(found, limits)
    known = ", ".join([*FORMATS, *(found.name for found in third_party())])
    raise ConfigurationError(f"there is no payload format '{name}'; known are {known}")


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
