"""Which names may a thing have?"""

import re

SLUG_LENGTH = 64

# Device ids become MQTT user names and topic levels, so `#`, `+`, `/` and white space never pass.
_SLUG = re.compile(rf"[a-z0-9](?:[a-z0-9._-]{{0,{SLUG_LENGTH - 2}}}[a-z0-9])?", re.ASCII)

RESERVED = "stadsnav-"  # devices are users at the broker, and so is the hub
PUBLIC = "public"  # the organisation that stands for everyone


def is_slug(name: str) -> bool:
    """Tell whether `name` can be the id of an organisation, device, property or feed."""
    return _SLUG.fullmatch(name) is not None


def slug(name: str) -> str:
    """Return `name` if it is a valid id; raise ValueError saying what would be valid."""
    if not is_slug(name):
        msg = (
            f"{name[:SLUG_LENGTH]!r} is not a valid id: use 1 to {SLUG_LENGTH} of a-z, 0-9, '-', "
            "'_' and '.', beginning and ending with a letter or digit"
        )
        raise ValueError(msg)
    return name
