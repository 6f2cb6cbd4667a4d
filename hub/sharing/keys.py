"""What does a key look like, and how is it kept so that a stolen database opens nothing?"""

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

# Secret scanners find keys by a fixed beginning and shape.
_KEY = re.compile(r"stn_(?P<prefix>[0-9a-z]{8})_[0-9A-Za-z]{40}", re.ASCII)
_LOWER = "0123456789abcdefghijklmnopqrstuvwxyz"
_ALL = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class NewKey(NamedTuple):
    """A key on the one occasion that it is seen whole, with what is stored of it."""

    key: str
    prefix: str
    hash: bytes


def new_key() -> NewKey:
    """Make a key: eight characters to name it by and forty (238 bits) that are the secret."""
    prefix = "".join(secrets.choice(_LOWER) for _ in range(8))
    key = f"stn_{prefix}_" + "".join(secrets.choice(_ALL) for _ in range(40))
    return NewKey(key, prefix, hash_key(key))


def prefix_of(key: str) -> str | None:
    """Return the part that a key is looked up by, None if it has not the shape of a key."""
    match = _KEY.fullmatch(key)
    return match["prefix"] if match else None


def hash_key(key: str) -> bytes:
    # A random secret of this length cannot be guessed, so a fast hash protects it as well as a
    # slow one, and every request pays for it.
    return hashlib.sha256(key.encode()).digest()


def is_key(key: str, hashed: bytes) -> bool:
    return hmac.compare_digest(hash_key(key), hashed)
