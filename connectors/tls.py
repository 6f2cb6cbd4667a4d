"""How do we know that a broker is ours, and how does it know us?"""

import asyncio
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

REFUSAL_S = 1.0  # TLS 1.3 tells a client that its certificate is refused after the handshake


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom we trust to sign a broker's certificate, and our own one where the broker asks for it.

    Without `authority` those whom this system trusts. All are files in PEM.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files, anew at every connection: so a renewed certificate is taken in.

        Raises OSError when they cannot be read or do not fit.
        """
        context = ssl.create_default_context(cafile=self.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


class Handshake(NamedTuple):
    """How long it took to connect and verify, and until when the broker's certificate is valid."""

    seconds: float
    expires: datetime


async def shake_hands(host: str, port: int, tls: Tls) -> Handshake:
    """Connect by TLS and say nothing. Raises OSError when either side refuses the other."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port, ssl=tls.context())
    took_s = time.perf_counter() - started
    try:
        certificate = writer.get_extra_info("peercert")
        try:
            async with asyncio.timeout(REFUSAL_S):
                if not await reader.read(1):
                    raise ConnectionResetError("it closed the connection after the handshake")
        except TimeoutError:
            pass  # it waits for us to speak, so it takes us
    finally:
        writer.transport.abort()
    expires = ssl.cert_time_to_seconds(certificate["notAfter"])
    return Handshake(took_s, datetime.fromtimestamp(expires, UTC))


def explained(text: str, host: str, tls: Tls) -> str:
    """Say what a failure of TLS, in OpenSSL's words, means here; others stay as they are."""
    signer = "an authority that this system trusts; STADSNAV_MQTT_CA_FILE names another"
    if tls.authority:
        signer = f"STADSNAV_MQTT_CA_FILE ({tls.authority})"
    ours = f"our certificate ({tls.certificate})"
    for fragment, meaning in _MEANINGS.items():
        if fragment in text:
            return meaning.format(host=host, signer=signer, ours=ours)
    return text


_NO_TLS = (
    "the broker ended the connection in the middle of the handshake: does it speak TLS on this "
    "port (usually 8883)?"
)

# The first that fits counts.
_MEANINGS = {
    "Hostname mismatch": "the broker's certificate is not for {host!r}, but for other names",
    "IP address mismatch": "the broker's certificate is not for {host!r}, but for other names",
    "certificate has expired": "the broker's certificate has expired: renew it there",
    "not yet valid": "the broker's certificate is not valid yet: is this clock right?",
    "certificate purpose": "the broker's certificate is not one for servers",
    "CERTIFICATE_VERIFY_FAILED": "the broker's certificate is not signed by {signer}",
    "CERTIFICATE_REQUIRED": (
        "the broker asks for a certificate: set STADSNAV_MQTT_CERTIFICATE_FILE and "
        "STADSNAV_MQTT_KEY_FILE, or use its port for passwords"
    ),
    "UNKNOWN_CA": "the broker does not trust the authority that signed {ours}",
    "CERTIFICATE_EXPIRED": "the broker says that {ours} has expired",
    "CERTIFICATE_REVOKED": "the broker says that {ours} is revoked",
    "UNSUPPORTED_CERTIFICATE": "the broker says that {ours} is not one for clients",
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNEXPECTED_EOF": _NO_TLS,
    "Connection reset by peer": _NO_TLS,  # what Mosquitto does with a greeting it cannot read
    "HANDSHAKE_FAILURE": (
        "the broker cannot serve TLS: its log says whether its own certificate and key are there "
        "and fit"
    ),
    "PROTOCOL_VERSION": "the broker speaks no TLS that is still safe: 1.2 is the least",
}
