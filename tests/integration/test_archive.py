"""Is history the same when it comes from the archive, and can others read it as it is?"""

import json
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from hub.archive.layout import Root
from hub.archive.reading import ArchiveReader
from hub.commands.archiving import archive
from hub.storage import records

pytestmark = pytest.mark.timeout(120)

LATER = datetime(2026, 12, 1, tzinfo=UTC)


def quiet(_what):
    pass


@pytest.fixture
async def filled(db, city, make):
    """Four days of readings of two organisations' devices, one of which moves."""
    noise, bus = city.streams["noise-1", "laeq"], city.streams["bus-1", "laeq"]
    rows = [
        make.reading(noise, make.noon + timedelta(hours=hour), float(hour)) for hour in range(96)
    ]
    rows += [
        make.reading(
            bus, make.noon + timedelta(hours=hour, minutes=1), 1000.0 + hour,
            lon=17.9 + hour / 1000, lat=59.4555,
        )
        for hour in range(96)
    ]  # fmt: skip
    text = city.streams["noise-3", "status"]
    rows.append(make.reading(text, make.noon, None, text="open"))
    await make.store_readings(db, *rows)
    # Committed in the time that the tests tell of, not in that of whoever runs them.
    await db.execute("update batch set committed_at = $1", make.noon + timedelta(days=3))
    return noise, bus


async def written(db, folder, now=LATER, told=quiet):
    return await archive(db, str(folder), now, tell=told)


async def test_days_are_written_once_with_a_manifest_each(filled, db, tmp_path):
    told = []
    assert await written(db, tmp_path, told=told.append) == 9
    assert told[0] == "2026-11-20: 25 readings"
    assert told[-1] == "2026-11-28: 0 readings"  # nothing came, and that is known
    manifest = json.loads((tmp_path / "manifests" / "2026-11-21.json").read_text())
    assert manifest["rows"] == 48
    assert not list(Root.at(str(tmp_path)).damaged())
    assert await written(db, tmp_path) == 0


async def test_duckdb_reads_the_folder_as_it_is(filled, db, tmp_path):
    await written(db, tmp_path)
    files = f"read_parquet('{tmp_path}/readings/**/*.parquet', hive_partitioning = true)"
    [(rows, total, days)] = duckdb.sql(
        f"select count(*), sum(value), count(distinct day) from {files}"
    ).fetchall()
    assert (rows, days) == (193, 5)
    assert total == sum(range(96)) + sum(range(1000, 1096))
    [(text,)] = duckdb.sql(
        f"select text from {files} where property = 'status' and organisation = 'environment'"
    ).fetchall()
    assert text == "open"
    ordered = duckdb.sql(
        f"select datastream_id, time::timestamp from {files} where day = '2026-11-21'"
    ).fetchall()
    assert ordered == sorted(ordered)
    assert len(ordered) == 48


async def test_what_is_younger_or_unfinished_stays_out(filled, db, tmp_path, make):
    assert await written(db, tmp_path, now=make.noon + timedelta(days=3, hours=13)) == 2
    root = Root.at(str(tmp_path))
    assert [str(day) for day in root.days()] == ["2026-11-20", "2026-11-21"]
    (tmp_path / "manifests" / "2026-11-21.json").unlink()  # as if it was killed before the end
    assert await written(db, tmp_path, now=make.noon + timedelta(days=3, hours=13)) == 1


async def test_a_late_reading_has_its_day_written_again(filled, db, tmp_path, make):
    await written(db, tmp_path)
    before = json.loads((tmp_path / "manifests" / "2026-11-21.json").read_text())
    late = make.reading(filled[0], make.noon + timedelta(days=1, seconds=5), 7.0)
    await make.store_readings(db, late)
    newest = "(select max(position) from batch)"
    minute = timedelta(minutes=1)
    await db.execute(
        f"update batch set committed_at = $1 where position = {newest}", LATER + minute
    )
    assert await written(db, tmp_path, now=LATER + 2 * minute) == 1
    after = json.loads((tmp_path / "manifests" / "2026-11-21.json").read_text())
    assert after["rows"] == before["rows"] + 1


async def test_a_day_of_which_part_is_forgotten_is_not_written_over(filled, db, tmp_path):
    await written(db, tmp_path)
    whole = (tmp_path / "manifests" / "2026-11-20.json").read_text()
    await db.execute("insert into forgotten values ('laeq', 'raw', '2026-11-22')")
    await db.execute("delete from reading where time < '2026-11-22'")
    await db.execute("update batch set committed_at = now() + interval '30 days'")
    await written(db, tmp_path)
    assert (tmp_path / "manifests" / "2026-11-20.json").read_text() == whole


async def test_a_damaged_file_is_found(filled, db, tmp_path):
    await written(db, tmp_path)
    file = next((tmp_path / "readings").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1])
    assert list(Root.at(str(tmp_path)).damaged()) == [str(file.relative_to(tmp_path))]


class TestOverTheApi:
    """What is forgotten in the store is answered from the archive, as it was before."""

    ASKED = "/api/v1/feeds/noise/readings?from=2026-11-20T00:00:00Z&to=2026-11-25T00:00:00Z"

    @pytest.fixture
    async def archived(self, filled, db, tmp_path, hub_of, asking):
        await written(db, tmp_path)
        return await asking(hub_of(archive=ArchiveReader(str(tmp_path))))

    async def forget(self, db):
        await db.execute("insert into forgotten values ('laeq', 'raw', '2026-11-22')")
        await db.execute("delete from reading where time < '2026-11-22'")

    async def pages(self, http, headers, asked):
        rows, following = [], f"{asked}&limit=7"
        while following:
            answer = await http.get(following, headers=headers)
            assert answer.status_code == 200, answer.text
            told = answer.json()
            rows += told["readings"]
            following = told["next"]
        return rows, told

    @pytest.mark.parametrize("who", ["traffic", "environment"])
    async def test_the_answer_is_the_same_page_by_page(self, archived, db, city, who):
        headers = {"Authorization": f"Bearer {city.keys[who]}"}
        before, head = await self.pages(archived, headers, self.ASKED)
        assert head["archived"] == []
        await self.forget(db)
        after, head = await self.pages(archived, headers, self.ASKED)
        assert after == before
        assert len(after) == 193
        assert head["missing"] == []
        assert head["archived"] == [{"property": "laeq", "before": "2026-11-22T00:00:00Z"}]

    @pytest.mark.parametrize("bbox", ["17.9,59.4,17.93,59.5", "17.91,59.4555,17.92,59.456"])
    async def test_positions_are_rounded_and_boxed_as_in_the_store(
        self, archived, db, city, make, bbox
    ):
        await db.execute("delete from agreement where consumer = 'traffic'")
        await make.agree(db, "noise", "traffic", position_decimals=3)
        headers = {"Authorization": f"Bearer {city.keys['traffic']}"}
        asked = f"{self.ASKED}&bbox={bbox}&property=laeq"
        before, _ = await self.pages(archived, headers, asked)
        await self.forget(db)
        after, _ = await self.pages(archived, headers, asked)
        assert after == before
        assert before

    async def test_what_the_archive_does_not_reach_is_said_to_be_missing(
        self, archived, db, city, tmp_path, hub_of, asking
    ):
        for day in ("2026-11-20",):
            (tmp_path / "manifests" / f"{day}.json").unlink()
        await self.forget(db)
        http = await asking(hub_of(archive=ArchiveReader(str(tmp_path))))
        headers = {"Authorization": f"Bearer {city.keys['traffic']}"}
        told = (await http.get(f"{self.ASKED}&limit=1000", headers=headers)).json()
        [missing] = told["missing"]
        assert missing["before"] == "2026-11-21T00:00:00Z"
        assert min(row["time"] for row in told["readings"]) >= "2026-11-21"

    async def test_a_right_reaches_no_further_back_in_the_archive(self, archived, db, city, make):
        await db.execute("delete from agreement where consumer = 'traffic'")
        age = datetime.now(UTC) - datetime(2026, 11, 21, 6, tzinfo=UTC)
        await make.agree(db, "noise", "traffic", history=age)
        await self.forget(db)
        headers = {"Authorization": f"Bearer {city.keys['traffic']}"}
        rows, _ = await self.pages(archived, headers, f"{self.ASKED}&property=laeq")
        assert min(row["time"] for row in rows) > "2026-11-21T05:59"
        assert min(row["time"] for row in rows) < "2026-11-21T07:30"


def test_without_an_archive_nothing_changes():
    assert records.Records(None)._archive is None
