"""Read readings back from the archive, in the shape that a question was given."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pyarrow.dataset as ds

from hub.archive.layout import READINGS, Root
from hub.domain.queries import Cursor, Raw, ShapedQuery
from hub.domain.sensing import Position

LOOK_AGAIN_S = 60.0  # after so long days may have been added
_COLUMNS = ["datastream_id", "time", "value", "text", "quality", "lon", "lat"]


class ArchiveReader:
    """An archive as `hub.storage.records` asks for it."""

    def __init__(self, address: str) -> None:
        self._root = Root.at(address)
        self._days: Sequence[date] = ()
        self._looked_s = float("-inf")

    async def oldest(self) -> datetime | None:
        """Return from when on there are readings in it; None if it is empty."""
        days = await asyncio.to_thread(self._known)
        return datetime.combine(days[0], datetime.min.time(), UTC) if days else None

    async def history(self, query: ShapedQuery) -> list[Raw]:
        """Return one page by (datastream, time), as `hub.storage.readings.history` does."""
        return await asyncio.to_thread(self._history, query)

    def _known(self) -> Sequence[date]:
        now = time.monotonic()
        if now - self._looked_s > LOOK_AGAIN_S:
            self._days, self._looked_s = self._root.days(), now
        return self._days

    def _history(self, query: ShapedQuery) -> list[Raw]:
        first, last = query.since.date(), (query.until - timedelta(microseconds=1)).date()
        days = {str(day) for day in self._known() if first <= day <= last}
        if not days:
            return []
        dataset = ds.dataset(
            self._root.full(READINGS), filesystem=self._root.system, format="parquet",
            partitioning=ds.partitioning(flavor="hive"),
        )  # fmt: skip
        within = (
            ds.field("day").cast("string").isin(sorted(days))
            & (ds.field("time") >= query.since)
            & (ds.field("time") < query.until)
        )
        after, rows = query.cursor or Cursor(0, query.since - timedelta(1)), list[Raw]()
        moving = frozenset(query.moving)
        for stream in sorted({*query.fixed, *query.moving}):
            if stream < after.datastream_id:
                continue
            wanted = within & (ds.field("datastream_id") == stream)
            if stream == after.datastream_id:
                wanted &= ds.field("time") > after.time
            table = dataset.to_table(columns=_COLUMNS, filter=wanted).sort_by("time")
            found = (Raw(**row) for row in table.to_pylist())
            rows += (
                row for row in (_shaped(one, query, moves=stream in moving) for one in found) if row
            )
            if len(rows) >= query.limit:
                break
        return rows[: query.limit]


def _shaped(row: Raw, query: ShapedQuery, *, moves: bool) -> Raw | None:
    """Return a row as the grant lets it through, None where it does not."""
    lon, lat = row.lon, row.lat
    if (
        moves
        and query.areas
        and (
            lon is None or lat is None or not all(a.holds(Position(lon, lat)) for a in query.areas)
        )
    ):
        return None
    if lon is not None and lat is not None and query.position_decimals is not None:
        lon, lat = (_round(degrees, query.position_decimals) for degrees in (lon, lat))
    if (
        moves
        and query.bbox is not None
        and (lon is None or lat is None or not query.bbox.holds(Position(lon, lat)))
    ):
        return None
    return row._replace(lon=lon, lat=lat)


def _round(degrees: float, decimals: int) -> float:
    """Round as PostgreSQL rounds a numeric: away from zero at the half."""
    return float(Decimal(repr(degrees)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))
