"""Where does a development authority keep its key, what it issued, and what it took back?

authority.key                   signs; whoever has it can be anybody
trusted/authority.crt           whom everybody trusts
trusted/revoked.crl             what is no longer good, for Mosquitto's crlfile
servers/NAME.crt  .key          brokers, API
devices/ID.crt    .key          subject = device id
hub/NAME.crt      .key          the hub as a client of its broker
issued/SERIAL.crt               every certificate ever signed, so that it can be revoked
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from hub.certificates.issuing import (
    Authority,
    PublicKey,
    Use,
    new_authority,
    new_key,
    new_leaf,
    new_revocations,
    pem_of,
)
from hub.certificates.reading import common_name, use_of
from hub.errors import ConfigurationError

PUBLIC, PRIVATE = 0o644, 0o600


class Kind(StrEnum):
    """Whose a certificate is, and the folder that it lies in."""

    SERVER = "servers"
    DEVICE = "devices"
    HUB = "hub"

    @property
    def use(self) -> Use:
        return Use.SERVER if self is Kind.SERVER else Use.CLIENT


class Standing(StrEnum):
    VALID = "valid"
    SUPERSEDED = "superseded"  # still valid, though there is a newer one
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Pair:
    """The files of a certificate and of its private key, which a request keeps elsewhere."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A certificate that was issued, and what became of it."""

    name: str
    use: Use
    serial: int
    made: datetime
    expires: datetime
    standing: Standing


@dataclass(frozen=True, slots=True)
class CertificateFolder:
    """The folder of one authority; every change is made by one process at a time."""

    root: Path

    @property
    def authority(self) -> Pair:
        return Pair(self.root / "trusted" / "authority.crt", self.root / "authority.key")

    @property
    def revocations(self) -> Path:
        return self.root / "trusted" / "revoked.crl"

    def pair(self, kind: Kind, name: str) -> Pair:
        return Pair(self.root / kind / f"{name}.crt", self.root / kind / f"{name}.key")

    def make_authority(self, name: str, *, now: datetime, days: int) -> Pair:
        """Make the authority with an empty list of revocations. Raises ConfigurationError."""
        self.root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            if self.authority.key.exists() or self.authority.certificate.exists():
                raise ConfigurationError(
                    f"{self.root} has an authority already, and what it signed counts on it: use "
                    "another folder, or move this one away"
                )
            made = new_authority(name, now=now, days=days)
            _write(self.authority.key, pem_of(made.key), PRIVATE)
            self._write_revocations(made, {}, now)
            _write(self.authority.certificate, _pem(made.certificate), PUBLIC)
        return self.authority

    def issue(
        self,
        kind: Kind,
        name: str,
        *,
        now: datetime,
        days: int,
        addresses: Sequence[str] = (),
        requested: PublicKey | None = None,
        replace: bool = False,
    ) -> Pair:
        """Issue a certificate and its key, or one for the key of a request.

        The one before stays good until it expires or is revoked, so that nobody is cut off who has
        not taken the new one yet. Raises ConfigurationError.
        """
        pair = self.pair(kind, name)
        with self._alone():
            authority = self._authority()
            if pair.certificate.exists() and not replace:
                raise ConfigurationError(
                    f"{pair.certificate} exists already: --replace issues another, and the one "
                    "before stays good until it expires or is revoked"
                )
            own = new_key()
            try:
                signed = new_leaf(
                    authority,
                    name,
                    kind.use,
                    requested or own.public_key(),
                    now=now,
                    days=days,
                    addresses=addresses,
                )
            except ValueError as error:
                raise ConfigurationError(str(error)) from error
            # On record before it is anywhere else: what is not on record cannot be revoked.
            _write(self.root / "issued" / f"{signed.serial_number:040x}.crt", _pem(signed), PUBLIC)
            if requested is None:
                _write(pair.key, pem_of(own), PRIVATE)
            else:
                pair.key.unlink(missing_ok=True)  # it would not fit
            _write(pair.certificate, _pem(signed), PUBLIC)
        return pair

    def revoke(self, name: str, *, now: datetime, superseded_only: bool = False) -> list[Entry]:
        """Take back what `name` has, or had before its newest; return what was taken back.

        Raises ConfigurationError when there is nothing of that name.
        """
        with self._alone():
            authority = self._authority()
            entries = [entry for entry in self.entries(now) if entry.name == name]
            if not entries:
                raise ConfigurationError(f"{self.root} never issued a certificate to {name!r}")
            gone = [
                entry
                for entry in entries
                if entry.standing is Standing.SUPERSEDED
                or (entry.standing is Standing.VALID and not superseded_only)
            ]
            if gone:
                known = self._revoked() | {entry.serial: now for entry in gone}
                self._write_revocations(authority, known, now)
        return gone

    def entries(self, now: datetime) -> list[Entry]:
        """Return every certificate ever issued, by name, the newest of each first."""
        revoked, known, current = self._revoked(), self._in("issued"), self._current()
        known.sort(key=lambda c: (common_name(c), c.serial_number not in current, -_made(c)))
        entries, newest = [], set[tuple[str, Use]]()
        for found in known:
            whose = common_name(found), use_of(found)
            standing = Standing.SUPERSEDED if whose in newest else Standing.VALID
            if found.serial_number in revoked:
                standing = Standing.REVOKED
            elif found.not_valid_after_utc <= now:
                standing = Standing.EXPIRED
            else:
                newest.add(whose)
            entries.append(
                Entry(
                    *whose,
                    found.serial_number,
                    found.not_valid_before_utc,
                    found.not_valid_after_utc,
                    standing,
                )
            )
        return entries

    def _in(self, folder: str) -> list[x509.Certificate]:
        files = (self.root / folder).glob("*.crt")
        return [x509.load_pem_x509_certificate(path.read_bytes()) for path in files]

    def _current(self) -> set[int]:
        return {found.serial_number for kind in Kind for found in self._in(kind)}

    def _revoked(self) -> dict[int, datetime]:
        return {r.serial_number: r.revocation_date_utc for r in self._list() or ()}

    def _list(self) -> x509.CertificateRevocationList | None:
        try:
            return x509.load_pem_x509_crl(self.revocations.read_bytes())
        except FileNotFoundError:
            return None

    def _write_revocations(
        self, authority: Authority, revoked: dict[int, datetime], now: datetime
    ) -> None:
        before = self._list()
        after = None if before is None else before.last_update_utc
        made = new_revocations(authority, revoked.items(), now=now, after=after)
        _write(self.revocations, made.public_bytes(Encoding.PEM), PUBLIC)

    def _authority(self) -> Authority:
        try:
            certificate = self.authority.certificate.read_bytes()
            key = load_pem_private_key(self.authority.key.read_bytes(), None)
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"{self.root} has no authority: `stadsnav admin certificates authority "
                f"{self.root}` makes one"
            ) from error
        except (ValueError, TypeError) as error:
            raise ConfigurationError(f"{self.authority.key} cannot be read: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigurationError(f"{self.authority.key} is not a key that we made")
        return Authority(x509.load_pem_x509_certificate(certificate), key)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one process at a time sign: of two that revoke at once, one would be forgotten."""
        if not self.root.is_dir():
            raise ConfigurationError(f"there is no folder {self.root}")
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _made(certificate: x509.Certificate) -> float:
    return certificate.not_valid_before_utc.timestamp()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, private from the beginning if it is to be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:  # mkstemp makes it readable by this user alone
        file.write(content)
        os.fchmod(file.fileno(), mode)
    Path(unfinished).replace(path)
