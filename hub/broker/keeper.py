"""Keep Mosquitto's users and rights equal to the registry, without a restart."""

import logging
import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub.broker.access import acl_file, password_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The files that a Mosquitto reads its users and rights from.

    `pid` is its pid_file; None where something else watches the files and signals it.
    """

    passwords: Path
    acl: Path
    pid: Path | None
    hub_user: str
    hub_hash: str


def keep(
    files: BrokerFiles, devices: Sequence[tuple[str, str]], shut_out: Sequence[str] = ()
) -> bool:
    """Write users and rights if they changed and tell Mosquitto; return whether they did."""
    users = password_file((files.hub_user, files.hub_hash), devices)
    changed = [
        _replace(files.acl, acl_file(files.hub_user, shut_out, [user for user, _ in devices])),
        _replace(files.passwords, users),
    ]
    if not any(changed):
        return False
    log.info("broker users=%d shut_out=%d", len(devices), len(shut_out))
    if files.pid is not None:
        _reload(files.pid)
    return True


def _replace(path: Path, text: str) -> bool:
    """Write a file whole or not at all; Mosquitto never reads half of one."""
    if path.exists() and path.read_text() == text:
        return False
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w") as file:  # mkstemp makes it readable by this user alone
        file.write(text)
    if path.exists():
        mode = path.stat()
        os.chmod(unfinished, mode.st_mode & 0o777)  # noqa: PTH101
        if os.geteuid() == 0:
            os.chown(unfinished, mode.st_uid, mode.st_gid)
    os.replace(unfinished, path)  # noqa: PTH105
    return True


def _reload(pid_file: Path) -> None:
    try:
        pid = int(pid_file.read_text())
        if _is_another(pid):
            # A broker that was killed leaves its number behind, and somebody else may get it.
            log.warning("%s names process %d, which is no mosquitto", pid_file, pid)
            return
        os.kill(pid, signal.SIGHUP)
    except (OSError, ValueError) as error:
        # It reads the files when it starts, so it cannot miss them.
        log.warning("mosquitto was not told to read its users again: %s", error)


def _is_another(pid: int) -> bool:
    """Tell whether a process is known not to be Mosquitto; only Linux says what it is."""
    try:
        return "mosquitto" not in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False
