"""Who may use the broker, and for what? Mosquitto's users and rights, from the registry."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from hub.domain.devices import SECOND, device_of_user, user_name
from hub.domain.topics import readings_topic, receipts_topic

# Mosquitto's own default. A generated password has 160 bits: no iteration makes it harder to
# guess, and every reconnecting device costs the broker this many.
ITERATIONS = 101
SALT_BYTES = 12
HASH_BYTES = 64

INGEST_PROCESSES = 8  # that can share the load, each as a user of its own
DOCTOR = "stadsnav-doctor"


def new_password() -> str:
    """Return a password for a device: random, 160 bits, safe in shells and URLs."""
    return secrets.token_hex(20)


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Hash a password as Mosquitto 2 keeps it: PBKDF2 with SHA-512, `$7$iterations$salt$hash`."""
    salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
    derived = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS, HASH_BYTES)
    return f"$7${ITERATIONS}${_base64(salt)}${_base64(derived)}"


def is_password(password: str, hashed: str) -> bool:
    """Tell whether this is the password that was hashed."""
    _, kind, iterations, salt, derived = hashed.split("$")
    if kind != "7":
        return False
    again = hashlib.pbkdf2_hmac(
        "sha512", password.encode(), base64.b64decode(salt), int(iterations), HASH_BYTES
    )
    return hmac.compare_digest(again, base64.b64decode(derived))


def hub_users(hub_user: str) -> list[str]:
    """Return the hub's own users: a session belongs to a user, so each process needs another.

    The first is for ingest, the next for more of it on a shared subscription, the last for doctor.
    """
    return [hub_user, *(f"{hub_user}-{n}" for n in range(2, INGEST_PROCESSES + 1)), DOCTOR]


def password_file(hub: tuple[str, str], devices: Iterable[tuple[str, str]]) -> str:
    """Render Mosquitto's password_file from (user name, hash) of the hub and of each device."""
    hub_user, hub_hash = hub
    own = [(user, hub_hash) for user in hub_users(hub_user)]
    return "".join(f"{user}:{hashed}\n" for user, hashed in [*own, *devices])


def acl_file(hub_user: str, shut_out: Iterable[str] = (), users: Iterable[str] = ()) -> str:
    """Render Mosquitto's acl_file, which names of the devices only those that are exceptions.

    Of the `users` those are the second ones of a device, whose name is not that of their topic.
    `shut_out` devices are denied everything.

    Without a password they cannot sign in; but Mosquitto asks none of who has a certificate, nor of
    who is connected already. To name all the others would take it quadratic time to read.

    `%u` is the user name, which is the device's id and can hold neither wildcard nor slash.
    """
    own = "".join(
        f"user {user}\n"
        "topic read v1/devices/+/readings\n"
        "topic write v1/devices/+/receipts\n"
        "topic write v1/feeds/+/readings\n\n"
        for user in hub_users(hub_user)
        if user != DOCTOR
    )
    second = "".join(
        f"user {user}\n"
        f"topic write {readings_topic(device_of_user(user))}\n"
        f"topic read {receipts_topic(device_of_user(user))}\n\n"
        for user in users
        if user.endswith(SECOND)
    )
    denied = "".join(
        f"user {user}\ntopic deny #\n\n"
        for device in shut_out
        for user in (device, user_name(device, 2))
    )
    return (
        "# Written by Stadsnav from its registry.\n"
        f"{own}{second}{denied}"
        "pattern write v1/devices/%u/readings\n"
        "pattern read v1/devices/%u/receipts\n"
    )


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
