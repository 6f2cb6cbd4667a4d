"""Does nobody see more than was granted, in whatever way they ask?"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.areas import Bbox
from hub.domain.durations import bucket_ceil, bucket_floor, format_duration, parse_duration
from hub.domain.identity import is_slug
from hub.domain.queries import RAW, ReadingQuery
from hub.domain.sensing import Datastream, Position
from hub.domain.sharing import (
    Agreement,
    AgreementState,
    Feed,
    FeedState,
    Grant,
    Principal,
    Scope,
    Shape,
)
from hub.errors import BadRequest, NotFound, OutsideGrant
from hub.sharing.access import Denial, Why, decide
from hub.sharing.keys import is_key, new_key, prefix_of
from hub.sharing.shaping import shape_history, shape_latest, shape_stream

NOW = datetime(2026, 11, 23, 9, 7, 31, tzinfo=UTC)
FEED = Feed("noise", "environment", "Noise", "", "CC0-1.0", FeedState.PUBLISHED)
YEAR_1970 = datetime(1970, 1, 1)  # noqa: DTZ001  as hypothesis wants it
READS = frozenset({Scope.READ})
TRAFFIC = Principal("traffic", "app", READS)
STREAMS = [
    Datastream(1, "n-1", "N 1", "noise", "laeq", "dB", Position(17.9512, 59.4512), False),
    Datastream(2, "n-2", "N 2", "noise", "laeq", "dB", Position(17.9598, 59.4598), False),
    Datastream(3, "n-1", "N 1", "noise", "lamax", "dB", Position(17.9512, 59.4512), False),
    Datastream(4, "bus", "Bus", "bus", "laeq", "dB", None, True),
]


def agreement(consumer="traffic", shape=None, **changes):
    return replace(
        Agreement(
            7, "noise", consumer, AgreementState.ACTIVE, "p", "b",
            NOW - timedelta(days=1), NOW + timedelta(days=1), shape or Shape(),
        ),
        **changes,
    )  # fmt: skip


def grant(**shape):
    return Grant(FEED, Shape(**shape), 7, None)


class TestDecide:
    def test_the_owner_sees_everything_even_unpublished(self):
        draft = replace(FEED, state=FeedState.DRAFT)
        decision = decide(Principal("environment", "app", READS), draft, [], NOW)
        assert isinstance(decision, Grant)
        assert decision.shape == Shape()

    def test_a_stranger_sees_nothing(self):
        assert decide(TRAFFIC, FEED, [], NOW) == Denial(Why.NO_AGREEMENT)

    def test_an_agreement_with_somebody_else_is_none(self):
        assert isinstance(decide(TRAFFIC, FEED, [agreement("water")], NOW), Denial)

    def test_an_agreement_about_another_feed_is_none(self):
        assert isinstance(decide(TRAFFIC, FEED, [agreement(feed="air")], NOW), Denial)

    def test_anyone_sees_an_open_feed(self):
        assert isinstance(decide(Principal("public"), FEED, [agreement("public")], NOW), Grant)

    def test_the_own_agreement_counts_before_the_public_one(self):
        own = agreement(shape=Shape(finest_resolution=timedelta(hours=1)))
        decision = decide(TRAFFIC, FEED, [agreement("public"), own], NOW)
        assert decision.shape == own.shape

    def test_the_public_one_counts_where_the_own_one_has_ended(self):
        ended = agreement(valid_until=NOW)
        assert isinstance(decide(TRAFFIC, FEED, [ended, agreement("public")], NOW), Grant)

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"valid_until": NOW}, Why.ENDED),
            ({"valid_from": NOW + timedelta(microseconds=1)}, Why.NOT_YET),
            ({"state": AgreementState.REVOKED}, Why.NOT_ACTIVE),
            ({"state": AgreementState.SUSPENDED}, Why.NOT_ACTIVE),
        ],
    )
    def test_an_agreement_gives_a_right_only_while_it_is_in_force(self, changes, why):
        assert decide(TRAFFIC, FEED, [agreement(**changes)], NOW) == Denial(why)

    def test_it_gives_a_right_from_its_first_instant(self):
        assert isinstance(decide(TRAFFIC, FEED, [agreement(valid_from=NOW)], NOW), Grant)

    def test_a_key_without_the_scope_reads_nothing(self):
        writer = Principal("traffic", "app", frozenset({Scope.WRITE}))
        assert decide(writer, FEED, [agreement()], NOW) == Denial(Why.NO_SCOPE)

    @pytest.mark.parametrize("state", [FeedState.DRAFT, FeedState.CLASSIFIED, FeedState.RETIRED])
    def test_a_feed_that_is_not_published_is_not_served(self, state):
        decision = decide(TRAFFIC, replace(FEED, state=state), [agreement()], NOW)
        assert decision == Denial(Why.NOT_SERVED)


class TestShape:
    def test_properties_outside_the_grant_do_not_exist(self):
        query = shape_history(grant(properties=frozenset({"lamax"})), STREAMS, ReadingQuery(), NOW)
        assert [*query.fixed, *query.moving] == [3]
        with pytest.raises(NotFound, match="it has lamax"):
            shape_history(
                grant(properties=frozenset({"lamax"})),
                STREAMS,
                ReadingQuery(properties=frozenset({"laeq"})),
                NOW,
            )

    def test_a_datastream_outside_the_grant_does_not_exist(self):
        asked = ReadingQuery(datastreams=frozenset({1}))
        with pytest.raises(NotFound):
            shape_history(grant(properties=frozenset({"lamax"})), STREAMS, asked, NOW)

    def test_without_a_resolution_the_finest_granted_is_answered(self):
        query = shape_history(
            grant(finest_resolution=timedelta(minutes=15)), STREAMS, ReadingQuery(), NOW
        )
        assert query.resolution == timedelta(minutes=15)

    @pytest.mark.parametrize("asked", [RAW, timedelta(minutes=5), timedelta(minutes=20)])
    def test_a_finer_or_crooked_resolution_is_refused_with_what_would_be_right(self, asked):
        with pytest.raises(OutsideGrant, match=r"PT15M|PT30M"):
            shape_history(
                grant(finest_resolution=timedelta(minutes=15)),
                STREAMS,
                ReadingQuery(resolution=asked),
                NOW,
            )

    def test_a_range_within_a_bucket_gives_the_whole_bucket(self):
        asked = ReadingQuery(
            since=NOW - timedelta(hours=2), until=NOW - timedelta(hours=2) + timedelta(seconds=1)
        )
        query = shape_history(grant(finest_resolution=timedelta(minutes=15)), STREAMS, asked, NOW)
        assert query.until - query.since == timedelta(minutes=15)

    def test_a_bucket_that_still_fills_is_not_shown_to_those_who_see_only_buckets(self):
        query = shape_history(
            grant(finest_resolution=timedelta(minutes=15)), STREAMS, ReadingQuery(), NOW
        )
        assert query.until == datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def test_delay_holds_back_what_is_young(self):
        query = shape_history(grant(delay=timedelta(minutes=5)), STREAMS, ReadingQuery(), NOW)
        assert query.until == NOW - timedelta(minutes=5)

    def test_delay_holds_back_whole_buckets(self):
        asked = ReadingQuery(resolution=timedelta(minutes=1))
        query = shape_history(grant(delay=timedelta(minutes=5)), STREAMS, asked, NOW)
        assert query.until == datetime(2026, 11, 23, 9, 2, tzinfo=UTC)

    def test_history_ends_where_the_grant_says(self):
        asked = ReadingQuery(since=NOW - timedelta(days=300))
        query = shape_history(grant(history=timedelta(days=30)), STREAMS, asked, NOW)
        assert query.since == NOW - timedelta(days=30)

    def test_latest_is_within_history_and_delay(self):
        query = shape_latest(
            grant(history=timedelta(days=30), delay=timedelta(minutes=5)),
            STREAMS,
            ReadingQuery(),
            NOW,
        )
        assert (query.since, query.until) == (
            NOW - timedelta(days=30),
            NOW - timedelta(minutes=5),
        )

    def test_a_stream_needs_a_right_to_raw_readings(self):
        with pytest.raises(OutsideGrant, match="poll"):
            shape_stream(
                grant(finest_resolution=timedelta(minutes=15)), STREAMS, ReadingQuery(), NOW
            )

    def test_a_box_cannot_find_out_more_than_the_rounded_position(self):
        around_rounded = Bbox(17.9499, 59.4499, 17.9501, 59.4501)
        around_true = Bbox(17.9511, 59.4511, 17.9513, 59.4513)
        coarse = grant(position_decimals=2)
        found = shape_history(coarse, STREAMS, ReadingQuery(bbox=around_rounded), NOW)
        assert found.fixed == [1, 3]
        assert shape_history(coarse, STREAMS, ReadingQuery(bbox=around_true), NOW).fixed == []

    def test_buckets_of_a_moving_device_have_no_place(self):
        asked = ReadingQuery(bbox=Bbox(-180, -90, 180, 90), resolution=timedelta(hours=1))
        assert shape_history(grant(), STREAMS, asked, NOW).moving == []

    def test_from_after_to_is_refused(self):
        asked = ReadingQuery(since=NOW, until=NOW - timedelta(hours=1))
        with pytest.raises(BadRequest, match="before"):
            shape_history(grant(), STREAMS, asked, NOW)

    def test_an_absurd_number_of_buckets_is_refused(self):
        asked = ReadingQuery(since=NOW - timedelta(days=3650), resolution=timedelta(seconds=1))
        with pytest.raises(BadRequest, match="coarser"):
            shape_history(grant(), STREAMS, asked, NOW)

    @given(
        st.timedeltas(timedelta(0), timedelta(days=40)),
        st.timedeltas(timedelta(seconds=1), timedelta(days=40)),
        st.integers(1, 10),
    )
    def test_no_question_gets_behind_the_shape(self, back, length, times):
        shape = Shape(
            finest_resolution=timedelta(minutes=15),
            delay=timedelta(hours=1),
            history=timedelta(days=30),
        )
        since = NOW - back
        asked = ReadingQuery(
            since=since, until=since + length, resolution=times * timedelta(minutes=15)
        )
        query = shape_history(Grant(FEED, shape, 7, None), STREAMS, asked, NOW)
        assert query.since >= NOW - timedelta(days=30)
        if query.until > query.since:
            assert query.until <= NOW - timedelta(hours=1)
        assert bucket_floor(query.since, query.resolution) == query.since


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [("PT30S", 30), ("PT15M", 900), ("PT1H30M", 5400), ("P1D", 86400), ("P1W", 604800)],
    )
    def test_reads(self, text, seconds):
        assert parse_duration(text).total_seconds() == seconds

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "P",
            "PT",
            "15M",
            "P1M",
            "P1Y",
            "PT1.5H",
            "-PT1H",
            "pt1h",
            "PT0S",
            "P1DT",
            "PT\u0661M",
        ],
    )
    def test_refuses(self, text):
        with pytest.raises(ValueError, match="duration"):
            parse_duration(text)

    @given(st.integers(1, 366 * 86_400))
    def test_writes_what_it_reads(self, seconds):
        duration = timedelta(seconds=seconds)
        assert parse_duration(format_duration(duration)) == duration

    @given(st.datetimes(timezones=st.just(UTC), min_value=YEAR_1970), st.integers(1, 10**6))
    def test_a_bucket_holds_its_time(self, time, seconds):
        width = timedelta(seconds=seconds)
        floor = bucket_floor(time, width)
        assert floor <= time < floor + width
        assert bucket_ceil(time, width) in (floor, floor + width)

    def test_weeks_begin_on_monday(self):
        assert bucket_floor(NOW, timedelta(weeks=1)).weekday() == 0


class TestKeys:
    def test_a_key_is_found_by_its_prefix_and_known_by_its_hash(self):
        made = new_key()
        assert prefix_of(made.key) == made.prefix
        assert is_key(made.key, made.hash)
        assert not is_key(new_key().key, made.hash)

    @pytest.mark.parametrize("text", ["", "stn_", "stn_abc", "Bearer x", "stn_" + "a" * 49, "ÅÄÖ"])
    def test_what_has_not_the_shape_of_a_key_is_none(self, text):
        assert prefix_of(text) is None


@pytest.mark.parametrize("name", ["a", "no2", "air-quality-001", "v1.2_x"])
def test_ids(name):
    assert is_slug(name)


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "a-", "a b", "a/b", "a+", "#", "å", "a" * 65, "a\n"]
)
def test_what_is_no_id(name):
    assert not is_slug(name)
