"""Back up and restore with PostgreSQL's own tools, and prove that nothing is missing."""

import asyncio
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from hub.embedded import postgres
from hub.errors import ConfigurationError, StadsnavError
from hub.storage import inventory
from hub.storage.capabilities import Capability, detect
from hub.storage.inventory import Inventory, Part
from hub.storage.migrate import migrated_as
from hub.storage.pool import Db, connect

MANIFEST = "manifest.json"
DUMP = "database"
DEBIANS = "usr/lib/postgresql/*/bin"
_NUMBER = re.compile(r"\(PostgreSQL\) (\d+)")
_BEGINS = re.compile(r"(?:dumping contents of|processing data for) table")

Advance = Callable[[str], None]


class BackupFailed(StadsnavError):  # noqa: N818
    """A backup could not be made or restored; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds, written beside it when it is whole."""

    taken_at: str
    stadsnav: str
    server: int
    capability: str
    timescaledb: str | None
    migration: int
    parts: Inventory
    files: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        try:
            told: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
            parts = {name: Part(*part) for name, part in told.pop("parts").items()}
            return cls(**told, parts=parts)
        except FileNotFoundError as error:
            raise BackupFailed(f"{folder} holds no finished backup: no {MANIFEST}") from error
        except (ValueError, TypeError, LookupError) as error:
            raise BackupFailed(f"{folder / MANIFEST} cannot be read: {error}") from error

    def write(self, folder: Path) -> None:
        told = {name: getattr(self, name) for name in self.__dataclass_fields__}
        (folder / MANIFEST).write_text(json.dumps(told, indent=1))


async def back_up(url: str, folder: Path, *, jobs: int, tell: Advance) -> Manifest:
    """Write a backup into a new folder; it is there when it is whole, or not at all.

    Everything is as of one moment, while the hub goes on. Raises BackupFailed.
    """
    unfinished = _new(folder)
    try:
        async with connect(url) as db:
            capability = await _schema_of(db)
            server = int(await db.fetchval("show server_version_num")) // 10_000
            tool = await _tool("pg_dump", server)
            async with inventory.snapshot(db) as snapshot:
                tell("dumping")
                options = ("-Fd", f"-j{jobs}", f"--snapshot={snapshot}", "--no-owner",
                           "--no-privileges", "-f", str(unfinished / DUMP))  # fmt: skip
                await _run(url, tool, *options, tell=tell)
                tell("counting, to compare with")
                parts = await inventory.take(db)
            made = Manifest(
                datetime.now(UTC).isoformat(timespec="seconds"),
                version("stadsnav"),
                server,
                capability,
                await _timescaledb(db),
                await db.fetchval("select max(number) from schema_migration"),
                parts,
                {path.name: _digest(path) for path in sorted((unfinished / DUMP).iterdir())},
            )
        made.write(unfinished)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return made


async def restore(url: str, folder: Path, *, jobs: int, tell: Advance) -> list[str]:
    """Restore a backup into an empty database; return what differs from what was backed up.

    Raises BackupFailed when the backup is damaged or the database not empty or of another kind.
    """
    manifest = Manifest.read(folder)
    tell("checking the files")
    _check_files(folder, manifest)
    async with connect(url) as db:
        await _check_target(db, manifest)
        server = int(await db.fetchval("show server_version_num")) // 10_000
        if server < manifest.server:
            raise BackupFailed(
                f"it was made of PostgreSQL {manifest.server}, this is PostgreSQL {server}"
            )
        tool = await _tool("pg_restore", server)
        timescale = manifest.timescaledb is not None
        if timescale:
            await db.execute("select timescaledb_pre_restore()")
    tell("restoring")
    try:
        await _run(
            url, tool, "--no-owner", "--no-privileges",
            # TimescaleDB's own catalogue is not restored right by several at once.
            "-j1" if timescale else f"-j{jobs}",
            *(() if timescale else ("--exit-on-error",)),
            str(folder / DUMP), tell=tell, ignored=timescale,
        )  # fmt: skip
    finally:
        if timescale:
            async with connect(url) as db:
                await db.execute("select timescaledb_post_restore()")
    async with connect(url) as db:
        await db.execute("analyze")
        tell("counting and comparing")
        return list(inventory.differences(manifest.parts, await inventory.take(db)))


def _new(folder: Path) -> Path:
    """Make the folder that a backup is written to before it is whole."""
    if folder.exists():
        raise BackupFailed(f"{folder} exists already: a backup is not written over another")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    return unfinished


async def _schema_of(db: Db) -> Capability:
    made_as = await migrated_as(db)
    if made_as is None:
        raise BackupFailed("there is no Stadsnav in this database")
    return made_as


async def _check_target(db: Db, manifest: Manifest) -> None:
    if await migrated_as(db) is not None or await db.fetchval(
        "select count(*) from pg_tables where schemaname = 'public'"
    ):
        raise BackupFailed("this database is not empty: restore into a new one (createdb)")
    able = await detect(db)
    if manifest.timescaledb is None:
        return
    if able is Capability.PLAIN or (
        manifest.capability == Capability.COMMUNITY and able is not Capability.COMMUNITY
    ):
        raise BackupFailed(
            f"it was made of TimescaleDB ({manifest.capability}), and this database is {able}"
        )
    here = await _timescaledb(db)
    if here != manifest.timescaledb:
        raise BackupFailed(
            f"it was made with TimescaleDB {manifest.timescaledb}, here is {here}: install that "
            "version, restore, and update the extension afterwards"
        )


async def _timescaledb(db: Db) -> str | None:
    found: str | None = await db.fetchval(
        "select extversion from pg_extension where extname = 'timescaledb'"
    )
    return found


def _check_files(folder: Path, manifest: Manifest) -> None:
    for name, digest in manifest.files.items():
        path = folder / DUMP / name
        if not path.exists():
            raise BackupFailed(f"{path} is missing")
        if _digest(path) != digest:
            raise BackupFailed(f"{path} is damaged: it is not what was written")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _tool(name: str, server: int) -> str:
    """Return the oldest of the programs at hand that knows the server's version."""
    found = {number: path for path in _candidates(name) if (number := await _version(path))}
    usable = [number for number in found if number >= server]
    if not usable:
        raise ConfigurationError(
            f"{name} of PostgreSQL {server} or newer is needed: "
            f"`apt-get install postgresql-client-{server}`"
        )
    return found[min(usable)]


def _candidates(name: str) -> Iterable[str]:
    on_path = shutil.which(name)
    if on_path:
        yield on_path
    yield from (str(folder / name) for folder in sorted(Path("/").glob(DEBIANS)))
    with suppress(ConfigurationError):
        yield str(postgres.binaries() / name)


async def _version(program: str) -> int | None:
    try:
        process = await asyncio.create_subprocess_exec(
            program, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    out, _ = await process.communicate()
    match = _NUMBER.search(out.decode())
    return int(match[1]) if match else None


async def _run(url: str, program: str, *options: str, tell: Advance, ignored: bool = False) -> None:
    """Run a tool against a database; raise BackupFailed with its last words if it fails.

    `ignored`: pg_restore counts errors that it went on after, which TimescaleDB's always causes.
    """
    address, password = _without_password(url)
    env = os.environ | ({"PGPASSWORD": password} if password else {})
    process = await asyncio.create_subprocess_exec(
        program, "--verbose", "-d", address, *options, env=env, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None  # noqa: S101  asked for
    said: list[str] = []
    async for line in process.stderr:
        text = line.decode(errors="replace").strip()
        if _BEGINS.search(text):
            tell(text.rpartition("table ")[2].strip('"'))
        if "error" in text.lower():
            said.append(text)
    if await process.wait() and not (ignored and _only_harmless(said)):
        raise BackupFailed(f"{Path(program).name}: {'; '.join(said[-3:]) or 'failed'}")


def _only_harmless(errors: Iterable[str]) -> bool:
    """Tell whether all that failed is what TimescaleDB had made itself before the restore."""
    return all("already exists" in text or "errors ignored" in text for text in errors)


def _without_password(url: str) -> tuple[str, str | None]:
    """Take the password out of a URL: arguments are seen by everybody on the machine."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, None
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}"
    return urlunsplit(parts._replace(netloc=netloc)), unquote(parts.password)
