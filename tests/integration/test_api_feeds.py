"""Who is asking comes first: what may they see, and in what form, over HTTP?"""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.storage import sharing

CONCEALED = ["/api/v1/feeds/secret", "/api/v1/feeds/nothing"]
PATHS = ["", "/datastreams", "/latest", "/readings", "/stream"]


def as_(key):
    return {"Authorization": f"Bearer {key}"}


class TestWhoAsks:
    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("feed", ["noise", "secret", "nothing"])
    async def test_a_stranger_without_a_key_hears_the_same_of_every_closed_feed(
        self, http, feed, path
    ):
        answer = await http.get(f"/api/v1/feeds/{feed}{path}")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert feed not in answer.text

    @pytest.mark.parametrize(
        "header",
        ["Bearer", "Bearer ", "Bearer x", "Basic eDp5", "Bearer stn_aaaaaaaa_" + "a" * 40, "x"],
    )
    async def test_a_wrong_credential_is_not_taken_for_none(self, http, header):
        answer = await http.get("/api/v1/feeds/open", headers={"Authorization": header})
        assert answer.status_code == 401

    async def test_a_key_without_the_scope_is_forbidden(self, http, city):
        for path in ("/api/v1/feeds", "/api/v1/feeds/noise", "/api/v1/feeds/noise/stream",
                     "/api/v1/feeds/nothing"):  # fmt: skip
            answer = await http.get(path, headers=as_(city.keys["writer"]))
            assert answer.status_code == 403
            assert "feeds:read" in answer.json()["detail"]

    @pytest.mark.parametrize("path", PATHS)
    async def test_without_an_agreement_a_feed_does_not_exist(self, http, city, path):
        known = await http.get(f"/api/v1/feeds/secret{path}", headers=as_(city.keys["traffic"]))
        unknown = await http.get(f"/api/v1/feeds/nothing{path}", headers=as_(city.keys["traffic"]))
        assert known.status_code == unknown.status_code == 404
        assert known.text.replace("secret", "") == unknown.text.replace("nothing", "")

    async def test_everyone_sees_their_own_list(self, http, city):
        async def listed(**headers):
            answer = await http.get("/api/v1/feeds", headers=headers)
            return [feed["id"] for feed in answer.json()["feeds"]]

        assert await listed() == ["open"]
        assert await listed(**as_(city.keys["stranger"])) == ["open"]
        assert await listed(**as_(city.keys["traffic"])) == ["noise", "open"]
        assert await listed(**as_(city.keys["environment"])) == ["noise", "open", "secret"]

    async def test_an_open_feed_is_read_without_a_key(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest")
        assert answer.status_code == 200
        assert len(answer.json()["readings"]) == 4

    async def test_a_revoked_key_is_none(self, http, db, city):
        key = city.keys["traffic"]
        await sharing.revoke_key(db, key[4:12])
        assert (await http.get("/api/v1/feeds", headers=as_(key))).status_code == 401

    async def test_an_expired_key_is_none(self, http, db, city):
        await db.execute("update api_key set expires_at = now()")
        answer = await http.get("/api/v1/feeds", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 401
        assert "expired" in answer.json()["detail"]

    async def test_a_revoked_agreement_is_none(self, http, db, city):
        await db.execute("update agreement set state = 'revoked' where consumer = 'traffic'")
        answer = await http.get("/api/v1/feeds/noise", headers=as_(city.keys["traffic"]))
        assert answer.status_code == 404


class TestShape:
    async def test_the_feed_says_what_may_be_read(self, http, city):
        answer = await http.get("/api/v1/feeds/noise", headers=as_(city.keys["region"]))
        access = answer.json()["access"]
        assert access["properties"] == ["no2"]
        assert (access["delay"], access["history"]) == ("PT1H", "P30D")

    async def test_a_property_outside_the_agreement_does_not_exist(self, http, city, noon_readings):
        headers = as_(city.keys["region"])
        streams = await http.get("/api/v1/feeds/noise/datastreams", headers=headers)
        assert {s["property"] for s in streams.json()["datastreams"]} == {"no2"}
        rows = (await http.get("/api/v1/feeds/noise/readings", headers=headers)).json()
        assert {row["property"] for row in rows["readings"]} == {"no2"}
        answer = await http.get("/api/v1/feeds/noise/latest?property=laeq", headers=headers)
        assert answer.status_code == 404

    async def test_nothing_is_younger_than_the_delay(self, http, city, noon_readings):
        rows = await http.get("/api/v1/feeds/noise/latest", headers=as_(city.keys["region"]))
        [row] = rows.json()["readings"]
        assert datetime.fromisoformat(row["time"]) <= datetime.now(UTC) - timedelta(hours=1)

    @pytest.mark.parametrize("resolution", ["raw", "PT1M", "PT14M59S"])
    async def test_a_finer_resolution_is_refused_with_what_would_be_right(
        self, http, city, resolution
    ):
        answer = await http.get(
            f"/api/v1/feeds/noise/readings?resolution={resolution}",
            headers=as_(city.keys["property"]),
        )
        assert answer.status_code == 403
        assert "PT15M" in answer.json()["detail"]
        assert answer.json()["type"].endswith("outside-grant")

    async def test_aggregates_are_answered_by_themselves_and_positions_are_rounded(
        self, http, city, noon_readings
    ):
        answer = await http.get("/api/v1/feeds/noise/readings", headers=as_(city.keys["property"]))
        body = answer.json()
        assert body["resolution"] == "PT15M"
        assert {"mean", "min", "max", "count"} <= body["readings"][0].keys()
        assert "value" not in body["readings"][0]
        assert {len(str(row["position"][0]).split(".")[1]) for row in body["readings"]
                if row["position"]} == {3}  # fmt: skip
        assert body["to"] <= datetime.now(UTC).isoformat()

    async def test_a_stream_of_aggregates_is_refused_with_what_to_do(self, http, city):
        answer = await http.get("/api/v1/feeds/noise/stream", headers=as_(city.keys["property"]))
        assert answer.status_code == 403
        assert "resolution=PT15M" in answer.json()["detail"]


class TestAsking:
    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ("limit=1000000000", "1 to 1000"),
            ("limit=0", "1 to 1000"),
            ("limit=-1", "1 to 1000"),
            ("limit=x", "1 to 1000"),
            ("limit=00000000000199999999", "1 to 1000"),
            ("limit=000000000001" + "9" * 5000, "1 to 1000"),
            ("resolution=P10000D", "366 days"),
            ("cursor=%C3%A5", "next"),
            ("cursor=MS4x.", "next"),
            ("cursor=OTk5OTk5OTk5OTk5LjE", "next"),
            ("cursor=MS45OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "next"),
            ("from=2026-11-23T09:00:00Z&to=2026-11-22T09:00:00Z", "before"),
            ("from=yesterday", "ISO 8601"),
            ("from=2026-11-23T09:00:00", "offset"),
            ("from=0001-01-01T00:00:00%2B10:00", "years"),
            ("resolution=15M", "PT15M"),
            ("resolution=P1M", "PT15M"),
            ("resolution=P99999D", "366 days"),
            ("resolution=PT1S&from=2000-01-01T00:00:00Z", "coarser"),
            ("bbox=1,2,3", "west,south,east,north"),
            ("bbox=nan,0,1,1", "west,south,east,north"),
            ("bbox=10,0,1,1", "west before east"),
            ("format=xml", "json, csv, geojson"),
            ("aggregate=median", "mean, min, max, count"),
            ("datastream=x", "datastream"),
        ],
    )
    async def test_what_makes_no_sense_is_told_with_what_would(self, http, query, told):
        answer = await http.get(f"/api/v1/feeds/open/readings?{query}")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert told in answer.json()["detail"]

    async def test_an_unknown_property_is_told_with_those_that_are(self, http):
        answer = await http.get("/api/v1/feeds/open/readings?property=pm10")
        assert answer.status_code == 404
        assert "laeq" in answer.json()["detail"]

    async def test_a_plus_that_the_url_ate_is_understood(self, http):
        answer = await http.get("/api/v1/feeds/open/readings?from=2026-11-20T09:00:00+01:00")
        assert answer.json()["from"] == "2026-11-20T08:00:00Z"

    async def test_pages_walk_through_everything_once(self, http, noon_readings):
        url, seen = "/api/v1/feeds/open/readings?limit=100&property=laeq", []
        while url:
            answer = await http.get(url)
            seen += [(row["datastream"], row["time"]) for row in answer.json()["readings"]]
            url = answer.json()["next"]
            link = answer.headers.get("link")
            assert link == (f'<{url}>; rel="next"' if url else None)
        assert len(seen) == len(set(seen)) == 240
        assert seen == sorted(seen)

    async def test_a_box_selects_by_position(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest?bbox=17.9515,59,17.9525,60")
        assert {row["device"] for row in answer.json()["readings"]} == {"noise-2"}

    async def test_the_hour_is_the_mean_of_its_minutes(self, http, noon_readings):
        answer = await http.get(
            "/api/v1/feeds/open/readings?resolution=PT1H&aggregate=mean,count&property=no2"
        )
        rows = answer.json()["readings"]
        assert sum(row["count"] for row in rows) == 120
        assert "max" not in rows[0]


class TestFormats:
    async def test_csv_has_a_header_and_a_row_each(self, http, noon_readings):
        answer = await http.get("/api/v1/feeds/open/latest", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert {row["device"] for row in rows} == {"noise-1", "noise-2", "noise-3"}
        [status] = [row for row in rows if row["property"] == "status"]
        assert status["value"] == "'=open,\n", "a spreadsheet must not run what a device sends"

    async def test_geojson_is_a_feature_each(self, http, city, noon_readings):
        answer = await http.get(
            "/api/v1/feeds/noise/latest?format=geojson", headers=as_(city.keys["traffic"])
        )
        assert answer.headers["content-type"] == "application/geo+json"
        body = answer.json()
        assert body["type"] == "FeatureCollection"
        [bus] = [f for f in body["features"] if f["properties"]["device"] == "bus-1"]
        assert bus["geometry"] == {"type": "Point", "coordinates": [17.951234, 59.456789]}

    async def test_an_empty_answer_is_valid_in_every_format(self, http):
        for name in ("json", "csv", "geojson"):
            answer = await http.get(f"/api/v1/feeds/open/readings?format={name}")
            assert answer.status_code == 200
            if name != "csv":
                json.loads(answer.text)
