"""When is a device's conduct no longer tolerated, and never before?"""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.intake import Intake, Reason, Rejection
from hub.domain.sensing import Reading
from hub.ingest import conduct as module
from hub.ingest.conduct import Conduct, ConductRule

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
RULE = ConductRule(rate=10, burst=100, excess=50, bad_times=20)
TOPIC = "v1/devices/d-1/readings"


def lost(reason, readings=1):
    return Intake((), [Rejection(TOPIC, NOW, reason, "", readings, b"", 0)])


EARLIER = NOW - timedelta(seconds=1)
GOOD = Intake([Reading(1, EARLIER, 1.0, None, 0, NOW, None, None)])
UNTIMED = Intake([Reading(1, NOW, 1.0, None, 0, NOW, None, None)])


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300))
def test_no_more_than_burst_and_rate_together_is_ever_admitted(gaps_s):
    conduct, now_s, admitted = Conduct(RULE), 0.0, 0
    for gap_s in gaps_s:
        now_s += gap_s
        admitted += conduct.admits(TOPIC, now_s)
        assert admitted <= RULE.burst + RULE.rate * now_s + 1e-6


def test_what_keeps_to_the_rate_is_never_refused():
    conduct = Conduct(RULE)
    assert all(conduct.admits(TOPIC, n / RULE.rate) for n in range(10_000))


def test_what_piled_up_while_the_hub_was_away_is_no_flood():
    conduct = Conduct(RULE)
    assert all(conduct.admits(TOPIC, 0) for _ in range(RULE.burst))


def test_a_clock_that_steps_back_gives_no_tokens_and_takes_none():
    conduct = Conduct(RULE)
    for _ in range(RULE.burst):
        conduct.admits(TOPIC, 1000)
    assert not conduct.admits(TOPIC, 500)
    assert not conduct.admits(TOPIC, 1000)


def test_a_flood_is_quarantined_once():
    conduct = Conduct(RULE)
    for _ in range(RULE.burst + RULE.excess):
        assert conduct.verdict(TOPIC) is None
        conduct.admits(TOPIC, 0)
    assert conduct.verdict(TOPIC) == "flood: 50 messages beyond 10 per second"
    assert conduct.verdict(TOPIC) is None


def test_a_short_excess_is_forgiven_after_a_quiet_while():
    conduct = Conduct(RULE)
    for _ in range(RULE.burst + RULE.excess - 1):
        conduct.admits(TOPIC, 0)
    conduct.admits(TOPIC, 60)
    for _ in range(RULE.burst):
        conduct.admits(TOPIC, 60)
    assert conduct.verdict(TOPIC) is None


def test_impossible_times_in_a_row_are_quarantined():
    conduct = Conduct(RULE)
    for _ in range(19):
        conduct.note(TOPIC, lost(Reason.TIME_IN_FUTURE))
        conduct.note("another", GOOD)
    assert conduct.verdict(TOPIC) is None
    conduct.note(TOPIC, lost(Reason.TIME_TOO_OLD))
    assert conduct.verdict(TOPIC) is None
    conduct.note("another", GOOD)
    assert conduct.verdict(TOPIC) == "impossible clock: 20 readings in a row"
    assert conduct.verdict(TOPIC) is None


def test_when_nobody_s_time_is_right_it_is_our_own_clock():
    conduct = Conduct(RULE)
    for _ in range(RULE.bad_times):
        conduct.note("another", GOOD)  # before, all was well
    for _ in range(10 * RULE.bad_times):
        conduct.note(TOPIC, lost(Reason.TIME_IN_FUTURE))
        conduct.note("another", lost(Reason.TIME_IN_FUTURE))
    assert conduct.verdict(TOPIC) is None
    assert conduct.verdict("another") is None


def test_one_good_reading_shows_that_the_clock_is_right():
    conduct = Conduct(RULE)
    conduct.note(TOPIC, lost(Reason.TIME_IN_FUTURE, 19))
    conduct.note(TOPIC, GOOD)
    conduct.note(TOPIC, lost(Reason.TIME_IN_FUTURE, 19))
    assert conduct.verdict(TOPIC) is None


def test_other_faults_say_nothing_of_the_clock():
    conduct = Conduct(RULE)
    conduct.note(TOPIC, lost(Reason.NOT_JSON, 1000))
    assert conduct.verdict(TOPIC) is None


def test_no_more_topics_are_remembered_than_memory_allows(monkeypatch):
    monkeypatch.setattr(module, "REMEMBERED", 10)
    conduct = Conduct(RULE)
    for number in range(100):
        conduct.admits(f"t/{number}", 0)
        conduct.note(f"t/{number}", lost(Reason.TIME_IN_FUTURE))
    assert len(conduct._buckets) == len(conduct._bad_times) == 10


def test_where_the_rule_says_never_nobody_is_quarantined():
    conduct = Conduct(ConductRule(rate=1, burst=1, excess=None, bad_times=None))
    for _ in range(1000):
        conduct.admits(TOPIC, 0)
        conduct.note(TOPIC, lost(Reason.TIME_TOO_OLD))
    assert conduct.verdict(TOPIC) is None


def test_devices_without_a_clock_show_nothing_of_ours():
    conduct = Conduct(RULE)
    for _ in range(10 * RULE.bad_times):
        conduct.note(TOPIC, lost(Reason.TIME_IN_FUTURE))
        conduct.note("another", UNTIMED)
    assert conduct.verdict(TOPIC) is None
