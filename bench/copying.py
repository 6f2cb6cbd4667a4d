"""The bare binary COPY to compare with: the same rows, into a table with the same indexes.

Run as a process of its own: `python -m bench.copying DATABASE_URL FIRST_BATCH ROWS_PER_COMMIT`. It
takes the readings stored since that batch as they lie in the table, so that what was decoded,
judged and accounted for is at hand as tuples. Prints rows per second, first COPY to last commit.
"""

import sys
import time

import asyncpg
import uvloop

TABLE = "create table if not exists copied (like reading including all)"
ROWS = "select * from reading where batch_id >= $1 order by ctid"


async def copy(database_url: str, first_batch: int, per_commit: int) -> float:
    """Return rows per second."""
    db = await asyncpg.connect(database_url)
    await db.execute(TABLE)
    rows = await db.fetch(ROWS, first_batch)
    columns = list(rows[0].keys())
    records = [tuple(row) for row in rows]
    started = time.perf_counter()
    for first in range(0, len(records), per_commit):
        await db.copy_records_to_table(
            "copied", records=records[first : first + per_commit], columns=columns
        )
    seconds = time.perf_counter() - started
    await db.close()
    return len(records) / seconds


if __name__ == "__main__":
    print(uvloop.run(copy(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
