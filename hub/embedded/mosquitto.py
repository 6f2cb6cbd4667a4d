"""Run a private Mosquitto for as long as a block lasts."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hub.embedded.network import HOST, answers, check_port_is_free
from hub.embedded.process import Child
from hub.errors import ConfigurationError

START_TIMEOUT_S = 10

# Mosquitto's own defaults break acknowledge-after-commit: 20 messages in flight, 1,000 queued and
# the rest dropped without a word, nothing kept over a restart.
_CONFIGURATION = """\
listener {port} {host}
user {user}
pid_file {folder}/mosquitto.pid
allow_anonymous false
# A client id belongs to its user: nobody can take over another's session by naming it.
use_username_as_clientid {bind_client_ids}
password_file {folder}/passwords
acl_file {folder}/acl

max_inflight_messages {window}
max_queued_messages {queued_messages}
max_queued_bytes {queued_bytes}
max_packet_size {packet_bytes}
max_inflight_bytes {inflight_bytes}

persistence true
persistence_location {folder}/
autosave_interval 10

log_dest stderr
log_type error
log_type warning
connection_messages false
"""

# Passwords over TLS on one port, certificates on another: where Mosquitto 2.0.11 asks for a
# certificate it takes the user name from it and knows no passwords, and where it does not ask it
# never sees one. The list of revocations is read again at SIGHUP, and so is the certificate.
_TLS = """
listener {port} {host}
use_username_as_clientid {bind_client_ids}
cafile {authority}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2

listener {mtls_port} {host}
use_username_as_clientid {bind_client_ids}
cafile {authority}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
crlfile {revocations}
require_certificate true
use_identity_as_username true
"""

# Not 0, "without limit": Mosquitto 2.0.11 then cuts off every client whose publish it denies.
QUEUED_MESSAGES = 100_000_000
PACKET_BYTES = 1_200_000  # room for a megabyte, so that the hub can say that it is too large
INFLIGHT_BYTES = 64_000_000  # what ingest may hold in memory, however large the messages
QUEUED_BYTES = 1_000_000_000  # per client: an hour of 2,000 messages/s, then the broker drops


@dataclass(frozen=True, slots=True)
class Secure:
    """The two ports with TLS, and the files that they need."""

    port: int
    mtls_port: int
    authority: Path
    certificate: Path
    key: Path
    revocations: Path


@dataclass(frozen=True, slots=True)
class Mosquitto:
    """A running broker: its process, its address, and the files it takes its users from."""

    child: Child
    port: int
    passwords: Path
    acl: Path
    pid: Path


def program() -> str:
    """Return Mosquitto's path; raise ConfigurationError saying how to install it."""
    # Debian keeps it in /usr/sbin, which an ordinary user's PATH lacks.
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ConfigurationError(
            "mosquitto is not installed: `sudo apt-get install mosquitto` or `brew install "
            "mosquitto`, or give STADSNAV_MQTT_URL"
        )
    return found


@asynccontextmanager
async def running(
    folder: Path,
    log: Path,
    *,
    port: int,
    window: int,
    bind_client_ids: bool = True,
    secure: Secure | None = None,
    instead: Mapping[str, str] | None = None,
) -> AsyncIterator[Mosquitto]:
    """Start a broker on 127.0.0.1 whose state is kept in `folder`.

    `folder` must hold `passwords` and `acl` already: it serves nobody else, ever. With `secure` it
    listens on two ports more. `instead` holds options of mosquitto.conf that replace ours, for
    those who measure what they are worth.
    """
    await check_port_is_free(port, "STADSNAV_MQTT_PORT")
    if secure is not None:
        await check_port_is_free(secure.port, "STADSNAV_MQTT_TLS_PORT")
        await check_port_is_free(secure.mtls_port, "STADSNAV_MQTT_MTLS_PORT")
    configuration = folder / "mosquitto.conf"
    text = _CONFIGURATION.format(
        port=port,
        host=HOST,
        folder=folder,
        window=window,
        queued_messages=QUEUED_MESSAGES,
        queued_bytes=QUEUED_BYTES,
        packet_bytes=PACKET_BYTES,
        inflight_bytes=INFLIGHT_BYTES,
        bind_client_ids=_yes(bind_client_ids),
        user=_own_name(),
    )
    secured = _secured(secure, bind_client_ids) if secure else ""
    configuration.write_text(_with(text, instead or {}) + secured)
    child = Child("mosquitto", [program(), "-c", str(configuration)], log)
    await child.start()
    try:
        await _until_ready(child, port)
        yield Mosquitto(child, port, folder / "passwords", folder / "acl", folder / "mosquitto.pid")
    finally:
        await child.stop()


def _with(text: str, instead: Mapping[str, str]) -> str:
    """Replace single-valued options, or add those that ours leaves out."""
    kept = [line for line in text.splitlines() if line.partition(" ")[0] not in instead]
    return "\n".join([*kept, *(f"{option} {value}" for option, value in instead.items()), ""])


def _secured(secure: Secure, bind_client_ids: bool) -> str:
    return _TLS.format(**asdict(secure), host=HOST, bind_client_ids=_yes(bind_client_ids))


def _yes(flag: bool) -> str:
    return "true" if flag else "false"


def _own_name() -> str:
    """Return who we are: started as root, Mosquitto would otherwise become somebody else."""
    import getpass  # noqa: PLC0415  needed on this path only

    return getpass.getuser()


async def _until_ready(child: Child, port: int) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        if not child.is_running:
            raise ConfigurationError(f"mosquitto cannot start: {child.last_words()}")
        if await answers(port):
            return
        await asyncio.sleep(0.02)
    raise ConfigurationError(f"mosquitto does not answer on port {port}; its log: {child.log}")
