"""What may happen to a feed, in which state?"""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from hub.domain.feeds import Classification, FeedAction, IllegalStep, faults_of, step
from hub.domain.sharing import FeedState

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)

# DESIGN's line from draft to retired, written down a second time; None: not from there.
EXPECTED = {
    "draft": {"classify": "classified", "retire": "retired"},
    "classified": {"classify": "classified", "publish": "published", "retire": "retired"},
    "published": {"classify": "published", "publish": "published", "deprecate": "deprecated"},
    "deprecated": {
        "classify": "deprecated", "publish": "published", "deprecate": "deprecated",
        "retire": "retired",
    },
    "retired": {"retire": "retired"},
}  # fmt: skip


@pytest.mark.parametrize(("state", "action"), list(product(FeedState, FeedAction)))
def test_a_feed_takes_the_steps_that_design_has_and_no_others(state, action):
    to = EXPECTED[state].get(action)
    if to is None:
        with pytest.raises(IllegalStep, match=f"a feed that is {state} cannot be"):
            step(state, action)
    else:
        assert step(state, action) == to


def test_a_refused_step_says_what_comes_first():
    with pytest.raises(IllegalStep, match="classify it first"):
        step(FeedState.DRAFT, FeedAction.PUBLISH)
    with pytest.raises(IllegalStep, match="its consumers are warned"):
        step(FeedState.PUBLISHED, FeedAction.RETIRE)


@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize(
    ("level", "says"), [(4, "must not be shared"), (5, "0 to 3"), (-1, "0 to 3")]
)
def test_a_level_beyond_three_is_refused_wherever_it_stands(position, level, says):
    levels = [1, 1, 1]
    levels[position] = level
    faults = faults_of(Classification(*levels, "person:anna", NOW))
    assert len(faults) == 1
    assert says in faults[0]


def test_a_review_lies_ahead():
    past = Classification(1, 1, 1, "person:anna", NOW, review_at=NOW - timedelta(days=1))
    assert faults_of(past) == ["the review lies in the past"]
    assert not faults_of(Classification(0, 3, 3, "person:anna", NOW, review_at=NOW + timedelta(1)))
