"""How is a certificate made that brokers, browsers and devices accept? (X.509, RFC 5280)"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BEHIND = timedelta(hours=1)  # valid since then already: the clocks of devices are behind
LOCAL = ("localhost", "127.0.0.1")
SECOND = timedelta(seconds=1)  # times in certificates and lists have no smaller part
RSA_BITS = 2048  # NIST SP 800-57: less is no longer safe

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


class Use(StrEnum):
    """What a certificate may be used for: a device's can never pretend to be the broker."""

    SERVER = "server"
    CLIENT = "client"


_PURPOSES = {
    Use.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Use.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs: its certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey


def new_key() -> PrivateKey:
    """Return a private key on P-256: a small fraction of RSA's work for a device."""
    return ec.generate_private_key(ec.SECP256R1())


def new_authority(name: str, *, now: datetime, days: int) -> Authority:
    """Make an authority that signs leaves only, never another authority."""
    key, subject = new_key(), _subject(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEHIND)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def new_leaf(
    authority: Authority,
    name: str,
    use: Use,
    public_key: PublicKey,
    *,
    now: datetime,
    days: int,
    addresses: Sequence[str] = (),
) -> x509.Certificate:
    """Sign a public key as `name` for one use, for no longer than the authority itself is valid.

    Raises ValueError when that is over, or for an address that is neither a host nor an IP.
    """
    until = min(now + timedelta(days=days), authority.certificate.not_valid_after_utc)
    if until <= now:
        raise ValueError(f"the authority itself was valid until {until:%Y-%m-%d} only")
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(authority.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEHIND)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_PURPOSES[use]]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_issuer_key(authority), critical=False)
    )
    if addresses:
        names = x509.SubjectAlternativeName([general_name(a) for a in addresses])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def new_revocations(
    authority: Authority,
    revoked: Iterable[tuple[int, datetime]],
    *,
    now: datetime,
    after: datetime | None = None,
) -> x509.CertificateRevocationList:
    """List serial numbers and when each was revoked; newer than a list of the time `after`.

    It is good for as long as the authority: a broker whose list has run out refuses everybody.
    """
    # Of two lists of the same second OpenSSL may go on believing the first.
    made_at = now - BEHIND if after is None else max(now - BEHIND, after + SECOND)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(made_at)
        .next_update(authority.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(int(made_at.timestamp())), critical=False)
        .add_extension(_issuer_key(authority), critical=False)
    )
    for serial, since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256())


def requested_key(pem: bytes) -> PublicKey:
    """Return the public key of a signing request (PKCS #10): the device keeps the private one.

    Nothing else of a request counts: who the device is says the one who signs. Raises ValueError.
    """
    request = x509.load_pem_x509_csr(pem)
    if not request.is_signature_valid:
        raise ValueError("it is not signed with its own key")
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < RSA_BITS:
        raise ValueError(f"its RSA key has {key.key_size} bits, {RSA_BITS} are the least")
    if not isinstance(key, PublicKey):
        raise ValueError("its key is neither on an elliptic curve nor RSA nor Ed25519")  # noqa: TRY004
    return key


def general_name(address: str) -> x509.GeneralName:
    """Return an address as certificates hold it; raise ValueError if it is none."""
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        if not _HOST_NAME.fullmatch(address):
            raise ValueError(f"{address!r} is neither a host name nor an IP address") from None
        return x509.DNSName(address)


def pem_of(key: PrivateKey) -> bytes:
    """Return a private key as PEM, without a passphrase: services read it unattended."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _issuer_key(authority: Authority) -> x509.AuthorityKeyIdentifier:
    found = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
