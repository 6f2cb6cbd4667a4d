"""Write a day of one organisation's readings as a Parquet file."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa
from pyarrow import parquet

from hub.archive.layout import SCHEMA, Root
from hub.domain.sensing import Datastream, Reading


class Written(NamedTuple):
    """A file by its place below the root."""

    name: str
    rows: int
    digest: str


class DayWriter(AbstractContextManager["DayWriter"]):
    """Takes readings sorted by datastream and time; the file appears when all of it is written."""

    def __init__(
        self, root: Root, day: date, organisation: str, streams: Mapping[int, Datastream]
    ) -> None:
        self._root = root
        self._name = root.file(day, organisation)
        self._unfinished = root.full(f"{self._name}.unfinished")
        self._streams = streams
        self._rows = 0

    def __enter__(self) -> Self:
        folder = self._unfinished.rpartition("/")[0]
        self._root.system.create_dir(folder, recursive=True)
        self._writer = parquet.ParquetWriter(
            self._unfinished, SCHEMA, filesystem=self._root.system, compression="zstd"
        )
        return self

    def write(self, readings: Sequence[Reading]) -> None:
        self._writer.write_table(_table(readings, self._streams))
        self._rows += len(readings)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._writer.close()
        if error is not None:
            self._root.system.delete_file(self._unfinished)

    def finish(self) -> Written:
        """Put the file in its place; call it after the block."""
        self._root.system.move(self._unfinished, self._root.full(self._name))
        return Written(self._name, self._rows, self._root.digest(self._name))


def _table(readings: Sequence[Reading], streams: Mapping[int, Datastream]) -> pa.Table:
    of = [streams[reading.datastream_id] for reading in readings]
    return pa.table(
        {
            "datastream_id": _column("datastream_id", (r.datastream_id for r in readings)),
            "device": _names(stream.device for stream in of),
            "property": _names(stream.property for stream in of),
            "unit": _names(stream.unit for stream in of),
            **{
                name: _column(name, (getattr(reading, name) for reading in readings))
                for name in ("time", "value", "text", "quality", "received_at", "lon", "lat")
            },
        },
        schema=SCHEMA,
    )


def _column(name: str, values: Iterable[object]) -> pa.Array:
    return pa.array(list(values), SCHEMA.field(name).type)


def _names(values: Iterable[str]) -> pa.Array:
    return pa.array(list(values), pa.string()).dictionary_encode()
