"""Which certificates does this hub see, and how long are they still good?"""

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hub.certificates.folder import CertificateFolder, Standing
from hub.certificates.reading import read
from hub.commands.securing import check_api_files, check_broker_files
from hub.errors import ConfigurationError
from hub.settings import Settings

SOON_DAYS = 30  # as long as a renewal that nobody automated may take


@dataclass(frozen=True, slots=True)
class Sight:
    """A certificate, or what is wrong with it: `fault` counts before `expires`."""

    part: str
    name: str
    expires: datetime | None
    fault: str | None = None


def certificates(settings: Settings, folder: CertificateFolder, now: datetime) -> Iterator[Sight]:
    """Yield the certificates of the settings, and of the folder that `up --tls` keeps."""
    yield from _of_settings("TLS to the broker", lambda: check_broker_files(settings.mqtt, now))
    yield from _of_settings("HTTPS", lambda: check_api_files(settings.api, now))
    for variable, path in _files(settings):
        try:
            found = read(variable, path)
        except ConfigurationError:
            continue  # told above
        # Of a bundle of authorities one has to last; of a chain every link.
        choose = max if variable.endswith("CA_FILE") else min
        chosen = choose(found, key=lambda seen: seen.expires)
        yield Sight(variable, chosen.name, chosen.expires)
    if folder.root.is_dir():
        for entry in folder.entries(now):
            if entry.standing in {Standing.VALID, Standing.EXPIRED}:
                yield Sight("certificates of `up`", entry.name, entry.expires)


def open_keys(settings: Settings) -> list[Path]:
    """Return the private keys that others on this machine may read."""
    keys = [path for path in (settings.mqtt.key_file, settings.api.key_file) if path is not None]
    return [path for path in keys if path.exists() and path.stat().st_mode & stat.S_IROTH]


def _of_settings(part: str, check: Callable[[], None]) -> Iterator[Sight]:
    try:
        check()
    except ConfigurationError as error:
        yield Sight(part, "", None, str(error))


def _files(settings: Settings) -> Iterator[tuple[str, Path]]:
    for variable, path in (
        ("STADSNAV_MQTT_CA_FILE", settings.mqtt.ca_file),
        ("STADSNAV_MQTT_CERTIFICATE_FILE", settings.mqtt.certificate_file),
        ("STADSNAV_API_CERTIFICATE_FILE", settings.api.certificate_file),
    ):
        if path is not None:
            yield variable, path
