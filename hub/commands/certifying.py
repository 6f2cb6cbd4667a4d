"""With which certificates does `up --tls` serve? Its own authority makes them the first time."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hub.certificates.folder import CertificateFolder, Kind, Pair
from hub.certificates.issuing import LOCAL
from hub.certificates.reading import read

AUTHORITY_DAYS, LEAF_DAYS = 3_653, 365
RENEW_BEFORE = timedelta(days=30)
NOWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  to listen on, not to be reached by


@dataclass(frozen=True, slots=True)
class Certified:
    """The files that broker and API serve with, and those that a newcomer tries it with."""

    authority: Path
    revocations: Path
    server: Pair
    device: Pair


def certified(folder: Path, api_host: str, device: str, now: datetime) -> Certified:
    """Make what is missing or expires within a month, for this machine; leave the rest as it is."""
    made = CertificateFolder(folder)
    if not made.authority.certificate.exists():
        made.make_authority("Stadsnav on this machine", now=now, days=AUTHORITY_DAYS)
    addresses = tuple(dict.fromkeys([*LOCAL, *({api_host} - NOWHERE)]))
    return Certified(
        made.authority.certificate,
        made.revocations,
        _ensured(made, Kind.SERVER, "localhost", now, addresses),
        _ensured(made, Kind.DEVICE, device, now),
    )


def _ensured(
    made: CertificateFolder, kind: Kind, name: str, now: datetime, addresses: tuple[str, ...] = ()
) -> Pair:
    pair = made.pair(kind, name)
    if _lasts(pair, now, addresses):
        return pair
    return made.issue(kind, name, now=now, days=LEAF_DAYS, addresses=addresses, replace=True)


def _lasts(pair: Pair, now: datetime, addresses: tuple[str, ...]) -> bool:
    if not (pair.certificate.exists() and pair.key.exists()):
        return False
    [seen, *_] = read("its certificate", pair.certificate)
    return seen.expires - now > RENEW_BEFORE and set(addresses) <= set(seen.addresses)
