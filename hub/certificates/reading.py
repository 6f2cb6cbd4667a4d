"""What does a certificate say, and do these files belong together?"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.certificates.issuing import Use
from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Seen:
    """A certificate in a file, as far as operators care."""

    name: str
    not_before: datetime
    expires: datetime
    is_authority: bool
    addresses: tuple[str, ...]  # names and IP addresses that it is for


def common_name(certificate: x509.Certificate) -> str:
    """Return the subject's common name, Mosquitto's user name; an empty text if it has none."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def use_of(certificate: x509.Certificate) -> Use:
    """Return what a certificate may be used for; without any restriction, as a server."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return Use.SERVER
    return Use.SERVER if ExtendedKeyUsageOID.SERVER_AUTH in usage else Use.CLIENT


def read(variable: str, path: Path) -> list[Seen]:
    """Return the certificates in a PEM file. Raises ConfigurationError naming the setting."""
    return [_seen(certificate) for certificate in _certificates(variable, path)]


def check_authorities(variable: str, path: Path, now: datetime) -> None:
    """Raise ConfigurationError unless the file holds an authority that is valid now."""
    found = read(variable, path)
    authorities = [seen for seen in found if seen.is_authority]
    if not authorities:
        raise ConfigurationError(
            f"{variable} ({path}) holds the certificate of {found[0].name!r}, which may sign no "
            "other: give the authority that signed it"
        )
    if not any(seen.not_before <= now < seen.expires for seen in authorities):
        raise ConfigurationError(_out_of_time(variable, path, authorities[0], now))


def check_pair(variables: tuple[str, str], certificate: Path, key: Path, now: datetime) -> None:
    """Raise ConfigurationError unless the certificate is valid now and the key is its own."""
    [leaf, *_] = _certificates(variables[0], certificate)
    seen = _seen(leaf)
    if not seen.not_before <= now < seen.expires:
        raise ConfigurationError(_out_of_time(variables[0], certificate, seen, now))
    try:
        private = load_pem_private_key(_content(variables[1], key), None)
    except TypeError as error:
        raise ConfigurationError(
            f"{variables[1]} ({key}) is protected by a passphrase, which nobody is there to type: "
            "give the key without one, mode 600"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{variables[1]} ({key}) is no private key in PEM") from error
    if private.public_key() != leaf.public_key():
        raise ConfigurationError(
            f"{variables[1]} ({key}) is not the key of the certificate in {variables[0]} "
            f"({certificate}): give the two that were made together"
        )


def _certificates(variable: str, path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_content(variable, path))
    except ValueError as error:
        raise ConfigurationError(f"{variable} ({path}) holds no certificate in PEM") from error


def _content(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{variable} ({path}) cannot be read: {error.strerror}") from error


def _seen(certificate: x509.Certificate) -> Seen:
    try:
        limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_authority = limits.ca
    except x509.ExtensionNotFound:
        is_authority = certificate.subject == certificate.issuer  # as version 1 had it
    return Seen(
        common_name(certificate) or certificate.subject.rfc4514_string(),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        is_authority,
        _addresses(certificate),
    )


def _addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(n.value) for n in names if isinstance(n, x509.DNSName | x509.IPAddress))


def _out_of_time(variable: str, path: Path, seen: Seen, now: datetime) -> str:
    when = (
        f"expired on {seen.expires:%Y-%m-%d %H:%M} UTC: renew it"
        if seen.expires <= now
        else f"is valid from {seen.not_before:%Y-%m-%d %H:%M} UTC only: is this clock right?"
    )
    return f"{variable} ({path}): the certificate of {seen.name!r} {when}"
