"""Are the certificates of the settings good, and how are renewed ones taken in?"""

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path

from connectors.tls import Tls
from hub.certificates.reading import check_authorities, check_pair
from hub.errors import ConfigurationError
from hub.settings import ApiSettings, MqttSettings

log = logging.getLogger(__name__)

MQTT_PAIR = "STADSNAV_MQTT_CERTIFICATE_FILE", "STADSNAV_MQTT_KEY_FILE"
API_PAIR = "STADSNAV_API_CERTIFICATE_FILE", "STADSNAV_API_KEY_FILE"
LOOK_EVERY_S = 10.0


def broker_tls(settings: MqttSettings) -> Tls:
    return Tls(settings.ca_file, settings.certificate_file, settings.key_file)


def check_broker_files(settings: MqttSettings, now: datetime) -> None:
    """Raise ConfigurationError unless what ingest needs for TLS is there, fits, and is valid."""
    if settings.ca_file is not None:
        check_authorities("STADSNAV_MQTT_CA_FILE", settings.ca_file, now)
    if settings.certificate_file is not None and settings.key_file is not None:
        check_pair(MQTT_PAIR, settings.certificate_file, settings.key_file, now)


def check_api_files(settings: ApiSettings, now: datetime) -> None:
    """Raise ConfigurationError unless what the API serves HTTPS with is there, fits, is valid."""
    if settings.certificate_file is not None and settings.key_file is not None:
        check_pair(API_PAIR, settings.certificate_file, settings.key_file, now)


async def take_in_renewed(
    context: ssl.SSLContext, certificate: Path, key: Path, look_every_s: float = LOOK_EVERY_S
) -> None:
    """Serve new connections with a renewed certificate as soon as it is there, for ever.

    Connections go on as they are. Files that do not fit, such as one of two written, change
    nothing: the certificate before stays.
    """
    seen = _stamps(certificate, key)
    while True:
        await asyncio.sleep(look_every_s)
        stamps = _stamps(certificate, key)
        if stamps == seen:
            continue
        seen = stamps
        try:
            check_pair(API_PAIR, certificate, key, datetime.now(UTC))
            context.load_cert_chain(certificate, key)
        except (ConfigurationError, OSError) as error:
            log.warning("the certificate is not renewed: %s", error)
        else:
            log.info("new connections get the renewed certificate")


def _stamps(*paths: Path) -> list[tuple[int, int, int] | None]:
    return [_stamp(path) for path in paths]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
