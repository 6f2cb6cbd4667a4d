"""Is every value judged by registry, type, range and clock, and nothing else?"""

from datetime import UTC, datetime, timedelta

import pytest

from hub.domain.intake import Decoded, Reason, Undecodable
from hub.domain.registry import DeviceRules, Registry, StreamRules
from hub.domain.sensing import DeviceState, Position, Quality, Reading
from hub.ingest.acceptance import accept
from hub.ingest.examining import sorted_out

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def registry(state=DeviceState.ACTIVE, *, moving=False):
    streams = {
        "no2": StreamRules(1, numeric=True, low=0, high=500),
        "status": StreamRules(2, numeric=False),
    }
    return Registry({"d-1": DeviceRules(state, moving, streams)})


def decoded(**changes):
    return Decoded("d-1", "no2", NOW, 18.0, None)._replace(**changes)


def judge(item, known=None):
    return accept(item, known or registry(), NOW)


def test_a_known_value_becomes_a_reading():
    assert judge(decoded()) == Reading(1, NOW, 18.0, None, 0, NOW, None, None)


def test_without_a_time_it_is_when_the_hub_received_it():
    assert judge(decoded(time=None)).time == NOW


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (decoded(device="d-2"), Reason.UNKNOWN_DEVICE),
        (decoded(property="pm10"), Reason.UNKNOWN_PROPERTY),
        (decoded(value="high"), Reason.WRONG_TYPE),
        (decoded(property="status", value=1.0), Reason.WRONG_TYPE),
        (decoded(time=datetime(1970, 1, 1, tzinfo=UTC)), Reason.TIME_TOO_OLD),
        (decoded(time=datetime(2090, 1, 1, tzinfo=UTC)), Reason.TIME_IN_FUTURE),
        (decoded(time=NOW + timedelta(minutes=5, seconds=1)), Reason.TIME_IN_FUTURE),
        (Undecodable(Reason.NOT_JSON, "x"), Reason.NOT_JSON),
    ],
)
def test_what_cannot_be_accepted_has_a_reason(item, reason):
    assert judge(item).reason is reason


@pytest.mark.parametrize("state", [DeviceState.QUARANTINED, DeviceState.DECOMMISSIONED])
def test_a_device_that_may_not_report_is_refused(state):
    assert judge(decoded(), registry(state)).reason is Reason.DEVICE_NOT_REPORTING


@pytest.mark.parametrize("value", [-0.1, 500.1])
def test_an_implausible_value_is_stored_with_a_flag(value):
    assert judge(decoded(value=value)).quality == Quality.IMPLAUSIBLE


@pytest.mark.parametrize("value", [0, 500])
def test_the_ends_of_the_range_are_plausible(value):
    assert judge(decoded(value=value)).quality == Quality.GOOD


def test_a_clock_a_little_ahead_is_stored_with_a_flag():
    assert judge(decoded(time=NOW + timedelta(minutes=1))).quality == Quality.CLOCK_AHEAD


def test_only_a_moving_device_keeps_its_position():
    there = decoded(position=Position(17.9, 59.4))
    assert judge(there)[6:] == (None, None)
    assert judge(there, registry(moving=True))[6:] == (17.9, 59.4)


def test_what_a_message_lost_is_one_rejection_per_reason():
    lost = [Undecodable(Reason.WRONG_TYPE, f"'p{i}'") for i in range(7)]
    judged = [judge(decoded()), *lost, judge(decoded(device="z"))]
    came_to = sorted_out(judged, "t", b"x" * 10, NOW)
    assert [(r.reason, r.readings) for r in came_to.rejections] == [
        (Reason.WRONG_TYPE, 7),
        (Reason.UNKNOWN_DEVICE, 1),
    ]
    assert came_to.received == 9
    assert came_to.rejections[0].detail == "'p0'; 'p1'; 'p2'; 'p3'; 'p4'; and 2 more"
