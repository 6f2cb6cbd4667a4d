"""Where is what in the archive? Days of readings as Parquet, each with a manifest.

    ROOT/readings/day=2026-11-20/organisation=environment/readings.parquet
    ROOT/manifests/2026-11-20.json

Hive-partitioned, sorted by datastream and time, so that DuckDB, Spark and pandas read it as it is.
A manifest is written last: a day without one is not there yet.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import fs

from hub.errors import ConfigurationError

READINGS, MANIFESTS = "readings", "manifests"
_PIECE = 1024 * 1024

SCHEMA = pa.schema(
    [
        ("datastream_id", pa.int32()),
        ("device", pa.dictionary(pa.int32(), pa.string())),
        ("property", pa.dictionary(pa.int32(), pa.string())),
        ("unit", pa.dictionary(pa.int32(), pa.string())),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.int16()),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a day holds: rows and SHA-256 by file, relative to the root, and when it was written."""

    day: date
    written_at: datetime
    files: Mapping[str, tuple[int, str]]

    @property
    def rows(self) -> int:
        return sum(rows for rows, _ in self.files.values())


@dataclass(frozen=True, slots=True)
class Root:
    """The place that an archive is in: a folder, or a bucket of an S3-compatible store."""

    system: fs.FileSystem
    path: str

    @classmethod
    def at(cls, address: str) -> "Root":
        """Open a folder, or `s3://bucket/path?endpoint_override=…`; raise ConfigurationError."""
        if "://" not in address:
            folder = Path(address).absolute()
            return cls(fs.LocalFileSystem(), str(folder))
        try:
            system, path = fs.FileSystem.from_uri(address)
        except (ValueError, OSError) as error:
            raise ConfigurationError(f"the archive's address cannot be used: {error}") from error
        return cls(system, path)

    def file(self, day: date, organisation: str) -> str:
        return f"{READINGS}/day={day}/organisation={organisation}/readings.parquet"

    def full(self, relative: str) -> str:
        return f"{self.path}/{relative}"

    def manifest(self, day: date) -> Manifest | None:
        """Return what a day holds, None if it is not there, or not whole."""
        path = self.full(f"{MANIFESTS}/{day}.json")
        if self.system.get_file_info(path).type is fs.FileType.NotFound:
            return None
        with self.system.open_input_stream(path) as file:
            told: dict[str, Any] = json.loads(file.read())
        files = {name: (rows, digest) for name, (rows, digest) in told["files"].items()}
        return Manifest(day, datetime.fromisoformat(told["written_at"]), files)

    def put_manifest(self, manifest: Manifest) -> None:
        self.system.create_dir(self.full(MANIFESTS), recursive=True)
        told = {
            "day": str(manifest.day),
            "written_at": manifest.written_at.astimezone(UTC).isoformat(),
            "rows": manifest.rows,
            "files": {name: list(file) for name, file in sorted(manifest.files.items())},
        }
        path = self.full(f"{MANIFESTS}/{manifest.day}.json")
        with self.system.open_output_stream(f"{path}.unfinished") as out:
            out.write(json.dumps(told, indent=1).encode())
        self.system.move(f"{path}.unfinished", path)

    def days(self) -> list[date]:
        """Return the days that are there and whole, oldest first."""
        folder = self.full(MANIFESTS)
        if self.system.get_file_info(folder).type is fs.FileType.NotFound:
            return []
        found = self.system.get_file_info(fs.FileSelector(folder))
        names = (info.base_name for info in found)
        return sorted(
            date.fromisoformat(n.removesuffix(".json")) for n in names if n.endswith("json")
        )

    def digest(self, relative: str) -> str:
        """Return the SHA-256 of a file."""
        found = hashlib.sha256()
        with self.system.open_input_stream(self.full(relative)) as file:
            while piece := file.read(_PIECE):
                found.update(piece)
        return found.hexdigest()

    def damaged(self) -> Iterator[str]:
        """Yield every file that is not what its day's manifest says."""
        for day in self.days():
            manifest = self.manifest(day)
            for name, (_, digest) in (manifest.files if manifest else {}).items():
                info = self.system.get_file_info(self.full(name))
                if info.type is fs.FileType.NotFound or self.digest(name) != digest:
                    yield name
