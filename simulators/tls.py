"""How does a device know its broker, and sign in by certificate?"""

import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom devices trust to sign the broker's certificate (None: whom this system trusts).

    `certificates` is a folder with `ID.crt` and `ID.key` of each device that signs in by
    certificate.
    """

    authority: Path | None = None
    certificates: Path | None = None

    def has(self, device: str) -> bool:
        """Tell whether a device has a certificate to sign in with."""
        return self.certificates is not None and (self.certificates / f"{device}.crt").is_file()

    def context(self, device: str) -> ssl.SSLContext:
        """Return what a device connects with. Raises OSError when its files are not good."""
        if self.certificates is None:
            return _shared(self.authority)
        context = _trusting(self.authority)
        context.load_cert_chain(
            self.certificates / f"{device}.crt", self.certificates / f"{device}.key"
        )
        return context


def _trusting(authority: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


# A system trusts some hundred authorities, and to read them takes a while.
_shared = cache(_trusting)
