"""What does a person see at `/`, and what may the page's markup, cookies and headers not do?"""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hub.api.app import create_app
from hub.api.auth import COOKIE
from hub.domain.sensing import Device, Position, Quality
from hub.domain.sharing import AgreementState, Feed, FeedState, Scope
from hub.sharing.keys import new_key
from hub.storage import registry, sharing
from hub.web import pages

EVIL = """<script>alert("1")</script>'"><img src=x onerror=alert(1)>&{{7*7}}"""


@pytest.fixture
async def browse(hub_of):
    """Return a client of the pages; `secure` as behind TLS."""
    clients = []

    def client(*, key=None, secure=False):
        hub = hub_of(secure_cookies=secure)
        app = create_app(hub)
        pages.install(app)
        cookies = {COOKIE: key} if key else None
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        clients.append(
            httpx.AsyncClient(transport=transport, base_url="http://hub", cookies=cookies)
        )
        return clients[-1]

    yield client
    await asyncio.gather(*(client.aclose() for client in clients))


def tabs_of(answer):
    return re.findall(r'<li><a href="/\?feed=([^"&]+)"', answer.text)


def cell_of(answer, stream):
    [found] = re.findall(rf'<td[^>]*data-stream="{stream}".*?</td>', answer.text)
    return found


class TestWhoSeesWhat:
    async def test_without_a_key_only_open_feeds_are_shown(self, browse):
        answer = await browse().get("/")
        assert answer.status_code == 200
        assert tabs_of(answer) == ["open"]
        assert "<h1>Open</h1>" in answer.text
        assert "Open to everyone" in answer.text
        assert "Private" not in answer.text
        assert "/feeds/noise" not in answer.text

    async def test_a_key_shows_what_its_organisation_may_read(self, browse, city):
        answer = await browse(key=city.keys["traffic"]).get("/")
        assert tabs_of(answer) == ["noise", "open"]
        assert "Signed in for <strong>Traffic</strong>" in answer.text
        assert "Bus 1" in answer.text
        owner = await browse(key=city.keys["environment"]).get("/")
        assert tabs_of(owner) == ["noise", "open", "secret"]
        assert "own feed" in owner.text

    @pytest.mark.parametrize("feed", ["secret", "nothing", "../secret", EVIL])
    @pytest.mark.parametrize("organisation", [None, "traffic"])
    async def test_a_closed_feed_looks_like_one_that_does_not_exist(
        self, browse, city, feed, organisation
    ):
        client = browse(key=city.keys.get(organisation))
        answer = await client.get("/", params={"feed": feed})
        assert answer.status_code == 404
        assert "No such feed here" in answer.text
        assert "Private" not in answer.text
        assert "<script>alert" not in answer.text

    async def test_a_key_that_may_only_write_sees_nothing_and_hears_why(self, browse, city):
        answer = await browse(key=city.keys["writer"]).get("/")
        assert answer.status_code == 200
        assert tabs_of(answer) == []
        assert "feeds:read" in answer.text

    async def test_a_right_that_ended_is_gone_at_the_next_look(self, browse, city, db, make):
        client = browse(key=city.keys["stranger"])
        agreement = await make.agree(db, "secret", "stranger")
        assert "secret" in tabs_of(await client.get("/"))
        await sharing.set_agreement_state(db, agreement.id, AgreementState.TERMINATED)
        assert "secret" not in tabs_of(await client.get("/"))
        assert (await client.get("/?feed=secret")).status_code == 404


class TestValues:
    async def test_values_units_ages_and_flags_are_written_for_people(self, browse, city, db, make):
        now = datetime.now(UTC)
        loud, gas = city.streams["noise-1", "laeq"], city.streams["noise-1", "no2"]
        text = city.streams["noise-3", "status"]
        await make.store_readings(
            db,
            make.reading(loud, now - timedelta(minutes=3), 61.25),
            make.reading(gas, now - timedelta(minutes=5), -4.0, quality=Quality.IMPLAUSIBLE),
            make.reading(text, now - timedelta(hours=2), None, text="<b>open</b>"),
        )
        answer = await browse().get("/")
        assert "61.25" in cell_of(answer, loud)
        assert "−4" in cell_of(answer, gas)  # noqa: RUF001
        assert "outside the plausible range" in cell_of(answer, gas)
        assert "&lt;b&gt;open&lt;/b&gt;" in cell_of(answer, text)
        assert "µg/m³" in answer.text
        assert re.search(r'<td class="num age"[^>]*>3 min</td>', answer.text)
        assert "<title>Noise 1: 61.25 dB</title>" in answer.text

    async def test_an_agreement_about_averages_shows_averages_and_rounded_places(
        self, browse, city, db, make
    ):
        now = datetime.now(UTC)
        loud = city.streams["noise-1", "laeq"]
        await make.store_readings(
            db,
            *(make.reading(loud, now - timedelta(minutes=m), 40.0 + m % 2 * 20) for m in range(60)),
            make.reading(city.streams["bus-1", "laeq"], now, lon=17.951234, lat=59.456789),
        )
        answer = await browse(key=city.keys["property"]).get("/?feed=noise")
        assert "15-minute averages" in answer.text
        assert "positions rounded to about 100 m" in answer.text
        assert 'data-width="900"' in answer.text
        value = re.search(r'data-value="([\d.]+)"', cell_of(answer, loud))
        assert 45 < float(value[1]) < 55  # no reading of its own: those are 40 and 60
        assert "0001234" not in answer.text
        assert "17.951234" not in answer.text

    async def test_delay_fields_and_history_are_kept_and_said(self, browse, city, db, make):
        now = datetime.now(UTC)
        gas = city.streams["noise-1", "no2"]
        await make.store_readings(
            db,
            make.reading(gas, now - timedelta(hours=2), 11.0),
            make.reading(gas, now - timedelta(minutes=2), 99.0),
            make.reading(city.streams["noise-1", "laeq"], now, 77.0),
        )
        answer = await browse(key=city.keys["region"]).get("/?feed=noise")
        assert "11" in cell_of(answer, gas)
        assert "99" not in cell_of(answer, gas)
        assert "Sound level" not in answer.text
        assert "of NO2, 1 hour after the fact" in answer.text
        assert "30 days back" in answer.text

    async def test_averages_of_many_devices_are_all_there(self, browse, city, db, make):
        """A hundred buckets each of many datastreams are more than a page of the API holds."""
        for number in range(14):
            device = Device(f"many-{number}", "environment", "many", "Many", Position(18, 59.4))
            await registry.add_device(db, device, ["laeq"])
        await sharing.add_feed(
            db,
            Feed("many", "environment", "Many", "", "", FeedState.PUBLISHED,
                 kinds=frozenset({"many"})),
        )  # fmt: skip
        await make.agree(db, "many", "stranger", finest_resolution=timedelta(minutes=1))
        now = datetime.now(UTC)
        streams = await sharing.datastreams(db, "many")
        await make.store_readings(
            db,
            *(
                make.reading(stream.id, now - timedelta(minutes=minute))
                for stream in streams
                for minute in range(100)
            ),
        )
        client = browse(key=city.keys["stranger"])
        assert (await client.get("/?feed=many")).text.count("data-value=") == 14
        assert len((await client.get("/api/v1/feeds/many/latest")).json()["readings"]) == 14

    async def test_the_map_is_coloured_by_the_property_that_was_chosen(
        self, browse, city, db, make
    ):
        gas = city.streams["noise-1", "no2"]
        await make.store_readings(db, make.reading(gas, datetime.now(UTC), 12.5))
        answer = await browse().get("/", params={"map": "no2"})
        assert "Map: NO2" in answer.text
        assert "<title>Noise 1: 12.5 µg/m³</title>" in answer.text
        assert "Map: Sound level" in (await browse().get("/", params={"map": EVIL})).text

    async def test_the_ready_made_command_works_and_holds_no_key(self, browse, city):
        key = city.keys["traffic"]
        answer = await browse(key=key).get("/?feed=noise")
        assert "Bearer $KEY" in answer.text
        assert "http://hub/api/v1/feeds/noise/latest" in answer.text
        assert key not in answer.text
        assert "$KEY" not in (await browse().get("/")).text


class TestSafety:
    async def test_names_titles_and_texts_cannot_become_markup(self, browse, city, db, make):
        device = Device("evil", "environment", "evil", EVIL, Position(18, 59.4))
        await registry.add_device(db, device, ["laeq", "status"])
        await registry.add_organisation(db, "evil-org", EVIL)
        await sharing.add_feed(
            db,
            Feed("evil", "environment", EVIL, EVIL, EVIL, FeedState.PUBLISHED,
                 devices=frozenset({"evil"})),
        )  # fmt: skip
        await sharing.add_feed(db, Feed("b", "evil-org", EVIL, EVIL, EVIL, FeedState.PUBLISHED))
        await make.agree(db, "evil", "public")
        await make.agree(db, "b", "public")
        text = (await registry.load(db, "test")).devices["evil"].streams["status"].id
        await make.store_readings(db, make.reading(text, value=None, text=EVIL))
        for feed in ("evil", "b"):
            answer = await browse().get("/", params={"feed": feed})
            assert answer.status_code == 200
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert "&lt;script&gt;" in answer.text
            assert "49" not in re.findall(r"<h1>(.*?)</h1>", answer.text)[0]

    @pytest.mark.parametrize("path", ["/", "/?feed=nothing"])
    async def test_the_page_may_load_nothing_from_elsewhere(self, browse, path):
        answer = await browse().get(path)
        policy = dict(
            part.strip().split(" ", 1)
            for part in answer.headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "form-action": "'self'",
            "base-uri": "'none'",
            "frame-ancestors": "'none'",
        }
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=\"/static/)", answer.text
        )
        assert not re.search(r"(?:src|href)=\"(?!/|#)", answer.text)

    async def test_what_the_page_is_made_of_is_served(self, browse):
        client = browse()
        page = (await client.get("/")).text
        found = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
        assert {path.partition("?")[0] for path in found} == {
            "/static/icon.svg", "/static/page.css", "/static/page.js",
        }  # fmt: skip
        for path in [*found, "/favicon.ico"]:
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/static/../pages.py")).status_code == 404

    async def test_head_answers_like_get_without_a_body(self, browse):
        answer = await browse().head("/")
        assert (answer.status_code, answer.content) == (200, b"")


class TestSession:
    async def test_a_key_signs_in_and_out(self, browse, city):
        client = browse()
        answer = await client.post(
            "/session", data={"key": f"  {city.keys['traffic']}\n", "feed": "noise"}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/?feed=noise")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert "noise" in tabs_of(await client.get("/"))

        answer = await client.post("/session/end")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert tabs_of(await client.get("/")) == ["open"]

    async def test_behind_tls_the_cookie_is_secure(self, browse, city):
        answer = await browse(secure=True).post("/session", data={"key": city.keys["traffic"]})
        assert "Secure" in answer.headers["set-cookie"]

    @pytest.mark.parametrize("key", ["", "stn_wrong", "<b>", "stn_abcdefgh_" + "x" * 40, "\0"])
    async def test_a_wrong_key_shows_the_form_again_and_says_so(self, browse, key):
        answer = await browse().post("/session", data={"key": key})
        assert answer.status_code == 401
        assert "This key is not valid" in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert "set-cookie" not in answer.headers
        assert not key.strip("\0") or key not in answer.text
        assert "content-security-policy" in answer.headers

    async def test_an_ended_key_in_the_cookie_is_signed_out_and_told(self, browse, city, db):
        application = (await sharing.keys(db))[0]["holder"]
        old = new_key()
        ended = datetime.now(UTC) - timedelta(minutes=1)
        await sharing.add_key(db, application, old.prefix, old.hash, ended)
        for key in (old.key, "nonsense"):
            answer = await browse(key=key).get("/")
            assert answer.status_code == 200
            assert "you have been signed out" in answer.text
            assert tabs_of(answer) == ["open"]
            assert f'{COOKIE}=""' in answer.headers["set-cookie"]
            assert "Max-Age=0" in answer.headers["set-cookie"]

    async def test_another_site_cannot_sign_anybody_in(self, browse, city):
        for path in ("/session", "/session/end"):
            answer = await browse().post(
                path,
                data={"key": city.keys["traffic"]},
                headers={"Sec-Fetch-Site": "cross-site"},
            )
            assert answer.status_code == 403
            assert "set-cookie" not in answer.headers

    async def test_the_way_back_stays_on_this_site(self, browse, city):
        for feed in ("//evil.example", "https://evil.example", "a b"):
            answer = await browse().post(
                "/session", data={"key": city.keys["traffic"], "feed": feed}
            )
            assert answer.headers["location"] == "/"

    async def test_a_form_of_any_length_is_not_read(self, browse):
        answer = await browse().post("/session", data={"key": "x" * 10_000})
        assert answer.status_code == 400

    async def test_a_key_without_the_reading_scope_signs_in_to_nothing(
        self, browse, city, db, make
    ):
        client = browse()
        key = await make.key(db, "traffic", Scope.WRITE)
        await client.post("/session", data={"key": key})
        assert tabs_of(await client.get("/")) == []
