"""Which format does a topic speak, and for which devices may it?"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from connectors.formats import MAPPING, MEDIA_TYPES, decoder, remembers
from connectors.untrusted import named
from hub.domain.identity import is_slug
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.topics import NATIVE, device_of, is_filter, overlap, posted, subscribed
from hub.errors import ConfigurationError
from hub.ingest.ports import Asking, Decode


@dataclass(frozen=True, slots=True)
class Route:
    """What is subscribed to, the format of what comes, and how its device ids begin."""

    subscription: str
    format: str
    prefix: str = ""


def read_routes(text: str, topic: str) -> list[Route]:
    """Read STADSNAV_INGEST_FORMAT; raise ConfigurationError saying what would be right.

    Words, separated by white space: `FORMAT` for what STADSNAV_MQTT_TOPIC names, `FILTER=FORMAT`
    for what else is subscribed to, and `:PREFIX` behind it for the ids of all devices there.
    """
    routes = [_route(word, topic) for word in text.split()]
    if not routes:
        raise ConfigurationError("STADSNAV_INGEST_FORMAT names no format: write native, or another")
    for one, other in combinations(routes, 2):
        if overlap(subscribed(one.subscription), subscribed(other.subscription)):
            raise ConfigurationError(
                f"STADSNAV_INGEST_FORMAT: '{one.subscription}' and '{other.subscription}' fit the "
                "same topics; which format would those speak?"
            )
    return routes


def _route(word: str, topic: str) -> Route:
    filter_, equals, told = word.rpartition("=")
    if equals and not is_filter(subscribed(filter_)):
        raise ConfigurationError(
            f"STADSNAV_INGEST_FORMAT: '{filter_}' in '{word}' is not a topic filter; write "
            "FILTER=FORMAT, for example v3/+/devices/+/up=ttn"
        )
    format_, colon, prefix = told.partition(":")
    if colon and not is_slug(f"{prefix}0"):
        raise ConfigurationError(
            f"STADSNAV_INGEST_FORMAT: '{prefix}' in '{word}' cannot begin the id of a device; use "
            "a-z, 0-9, '-', '_' and '.'"
        )
    return Route(filter_ if equals else topic, format_, prefix)


class Router:
    """Decodes each message by the format of its topic.

    A topic of a single device, `v1/devices/{device}/readings`, speaks for that device alone,
    whatever its payload names; and native there, unless a route says otherwise.
    """

    def __init__(self, routes: Iterable[Route], limits: Limits) -> None:
        self.routes = tuple(routes)
        self._limits = limits
        self._native = decoder(NATIVE, limits)
        self._named: dict[str, Decode] = {}
        self._decoders: list[tuple[re.Pattern[str], Decode]] = []
        self._asking: list[Asking] = []
        for route in self.routes:
            decode = decoder(route.format, limits)
            _check_shared(route)
            if isinstance(decode, Asking):
                self._asking.append(decode)
            pattern = _pattern(subscribed(route.subscription))
            self._decoders.append((pattern, _bounded(route, decode)))

    @property
    def subscriptions(self) -> list[str]:
        return [route.subscription for route in self.routes]

    def requests(self) -> list[tuple[str, bytes]]:
        """Return, once, what the formats have to ask of those who send, as (topic, payload)."""
        return [request for asking in self._asking for request in asking.requests()]

    def spoken(self, name: str | None, media_type: str) -> str:
        """Return the format of what is handed in; raise ConfigurationError if there is none such.

        Without a name it is what the media type means, and native where that means nothing: many
        a program sends a form's, or none.
        """
        if name is None:
            name = MEDIA_TYPES.get(media_type.partition(";")[0].strip().lower(), NATIVE)
        self._speaking(name)
        return name

    def _speaking(self, name: str) -> Decode:
        """Return what decodes a format over HTTP, where everyone may name one."""
        if name not in self._named:
            # No file that was not chosen by who runs the hub, and no births from anyone.
            configured = name in {route.format for route in self.routes}
            if (MAPPING in name and not configured) or remembers(name):
                raise ConfigurationError(f"the format '{name[:60]}' is not for handing in")
            self._named[name] = _own(decoder(name, self._limits))
        return self._named[name]

    def _posted(self, name: str, topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]:
        try:
            return self._speaking(name)(topic, payload)
        except ConfigurationError as error:
            return [Undecodable(Reason.BAD_TOPIC, str(error))]

    def __call__(self, topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]:
        if (over_http := posted(topic)) is not None:
            return self._posted(*over_http, payload)
        for pattern, decode in self._decoders:
            if pattern.fullmatch(topic):
                return decode(topic, payload)
        if device_of(topic) is not None:
            return self._native(topic, payload)
        told = f"no payload format is set for the topic {topic[:200]!r}"
        return [Undecodable(Reason.BAD_TOPIC, told)]


def _pattern(filter_: str) -> re.Pattern[str]:
    """Translate a topic filter; the broker's own topics fit no leading wildcard."""
    if filter_ == "#":
        return re.compile(r"(?!\$).*", re.DOTALL)
    many = filter_.endswith("/#")
    levels = filter_.removesuffix("/#").split("/")
    told = "/".join("[^/]*" if level == "+" else re.escape(level) for level in levels)
    guard = r"(?!\$)" if levels[0] == "+" else ""
    return re.compile(guard + told + ("(/.*)?" if many else ""), re.DOTALL)


def _check_shared(route: Route) -> None:
    if remembers(route.format) and route.subscription != subscribed(route.subscription):
        raise ConfigurationError(
            f"STADSNAV_INGEST_FORMAT: '{route.format}' needs every message, in order, so it cannot "
            f"share '{route.subscription}' with other processes: write "
            f"'{subscribed(route.subscription)}'"
        )


def _bounded(route: Route, decode: Decode) -> Decode:
    """Bound for which devices a route may speak."""
    if route.prefix:
        decode = _prefixed(decode, route.prefix)
    return decode if route.format == NATIVE else _own(decode)  # native: the topic's device


def _prefixed(decode: Decode, prefix: str) -> Decode:
    """Give all devices of a route ids that begin alike: it can speak for no others."""

    def prefixed(topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]:
        items = decode(topic, payload)
        return [
            i._replace(device=prefix + i.device) if isinstance(i, Decoded) else i for i in items
        ]

    return prefixed


def _own(decode: Decode) -> Decode:
    """Refuse what speaks on a device's own topic for another device."""

    def own(topic: str, payload: bytes) -> Sequence[Decoded | Undecodable]:
        items, owner = decode(topic, payload), device_of(topic)
        if owner is None:
            return items
        return [
            i if isinstance(i, Undecodable) or i.device == owner else _of_another(i.device, owner)
            for i in items
        ]

    return own


def _of_another(device: str, owner: str) -> Undecodable:
    told = f"the payload names the device {named(device)} on the topic of '{owner}'"
    return Undecodable(Reason.WRONG_DEVICE, told)
