"""Which id has in the hub what others call by a name of their own?"""

import re
from collections.abc import Callable
from functools import lru_cache

from connectors.untrusted import Fault, named
from hub.domain.identity import SLUG_LENGTH, is_slug
from hub.domain.intake import Reason

NAME_LENGTH = 2 * SLUG_LENGTH  # characters; a longer name has too long an id
_REMEMBERED = 65_536  # a city's devices and properties, many times over
_FOREIGN = re.compile(r"[^a-z0-9._-]+", re.ASCII)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])", re.ASCII)


def device_id(name: str) -> str:
    """Return the id of a device that its network calls `name`.

    `0004A30B001C0530` is `0004a30b001c0530`, `urn:dev:mac:0024befffe804ff1` is
    `urn-dev-mac-0024befffe804ff1`. Raises Fault where no id can be made of it.
    """
    return name if is_slug(name) else _made("device", _device, name)


def property_id(name: str) -> str:
    """Return the id of the observed property that others call `name`.

    `relativeHumidity` is `relative_humidity`, `NO2` is `no2`, `PM2.5` is `pm2.5`, `ENERGY.Power`
    is `energy.power`. Raises Fault where no id can be made of it.
    """
    return name if is_slug(name) else _made("property", _property, name)


def forget() -> None:
    """Forget the ids that were made, so that a benchmark sees what a new name costs."""
    _device.cache_clear()
    _property.cache_clear()


@lru_cache(_REMEMBERED)
def _device(name: str) -> str:
    return _FOREIGN.sub("-", name.lower()).strip("-._")


@lru_cache(_REMEMBERED)
def _property(name: str) -> str:
    humps = _HUMP.sub("_", name)
    return _FOREIGN.sub("_", humps.lower()).strip("-._")


def _made(what: str, make: Callable[[str], str], name: str) -> str:
    # What is remembered is bounded, in number and in length: names come from outside.
    made = make(name) if len(name) <= NAME_LENGTH else ""
    if not is_slug(made):
        raise Fault(
            Reason.BAD_NAME,
            f"no id of 1 to {SLUG_LENGTH} characters can be made of the {what} {named(name)}",
        )
    return made
