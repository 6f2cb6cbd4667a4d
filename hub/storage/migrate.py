"""Bring the schema to what this version of the hub needs: forward only, checked, one at a time."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hub.errors import ConfigurationError
from hub.storage.capabilities import Capability, detect
from hub.storage.pool import Db
from hub.storage.rights import grant

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 0x57AD5  # any number, as long as every version of the hub takes the same

_HISTORY = """
create table if not exists schema_migration (
    number     integer primary key,
    name       text not null,
    checksum   text not null,
    capability text not null,
    applied_at timestamptz not null default now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    capabilities: frozenset[Capability]
    script: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]

    @property
    def purpose(self) -> str:
        """Return what it is for: its first comment, up to what it locks."""
        return self._head().partition("Locks: ")[0].strip()

    @property
    def locks(self) -> str:
        """Return what it locks and for how long, as its first comment says."""
        return self._head().partition("Locks: ")[2].strip()

    def _head(self) -> str:
        """Return the comment that a script begins with, up to its first empty line."""
        words = []
        for line in self.script.splitlines():
            text = line.removeprefix("--").strip()
            if not line.startswith("--") or not text:
                break
            words.append(text)
        return " ".join(words)


def migrations(capability: Capability, folder: Path = _FOLDER) -> list[Migration]:
    """Return the migrations for a database of this capability, in order.

    `0004_rollups.apache-plain.sql` is for those two, `0005_feeds.sql` for all.
    """
    found = [_read(path) for path in sorted(folder.glob("*.sql"))]
    return [migration for migration in found if capability in migration.capabilities]


def _read(path: Path) -> Migration:
    stem, _, only = path.name.removesuffix(".sql").partition(".")
    number, _, name = stem.partition("_")
    capabilities = frozenset(map(Capability, only.split("-"))) if only else frozenset(Capability)
    return Migration(int(number), name, capabilities, path.read_text("utf-8"))


async def migrate(db: Db, tell: Callable[[str], None] = lambda _: None) -> Capability:
    """Apply what is missing, each migration in a transaction of its own, and grant what is needed.

    Safe with several starting at once: the second waits, then finds nothing to do. Raises
    ConfigurationError when an applied migration is not the one of this version.
    """
    await db.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        capability = await _settled_capability(db)
        await db.execute(_HISTORY)
        for migration in await _missing(db, capability):
            async with db.transaction():
                await db.execute(migration.script)
                await db.execute(
                    "insert into schema_migration (number, name, checksum, capability) "
                    "values ($1, $2, $3, $4)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                    capability,
                )
            tell(f"{migration.number:04} {migration.name}")
        await grant(db)
        return capability
    finally:
        await db.execute("select pg_advisory_unlock($1)", _LOCK)


async def pending(db: Db) -> list[Migration]:
    """Return the migrations that this version needs and the database lacks."""
    if await db.fetchval("select to_regclass('schema_migration')") is None:
        return migrations(await detect(db))
    return await _missing(db, await _settled_capability(db))


async def migrated_as(db: Db) -> Capability | None:
    """Return the capability that the schema was made for, None where there is no schema."""
    if await db.fetchval("select to_regclass('schema_migration')") is None:
        return None
    first = await db.fetchval("select capability from schema_migration order by number limit 1")
    return Capability(first) if first else None


async def _settled_capability(db: Db) -> Capability:
    """Return what the schema was first migrated as: its tables were made that way."""
    return await migrated_as(db) or await detect(db)


async def _missing(db: Db, capability: Capability) -> list[Migration]:
    rows = await db.fetch("select number, name, checksum from schema_migration")
    applied = {row["number"]: row for row in rows}
    wanted = migrations(capability)
    unknown = applied.keys() - {migration.number for migration in wanted}
    if unknown:
        raise ConfigurationError(
            f"the database has migration {max(unknown):04}, which this version does not know: "
            "it was migrated by a newer Stadsnav; run that version, or another database"
        )
    for migration in wanted:
        row = applied.get(migration.number)
        if row is not None and row["checksum"] != migration.checksum:
            raise ConfigurationError(
                f"migration {migration.number:04} {migration.name} in the database differs from "
                "this version's file: an applied migration is never edited, add a new one"
            )
    return [migration for migration in wanted if migration.number not in applied]
