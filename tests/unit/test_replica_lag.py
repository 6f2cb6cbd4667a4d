"""How far is a replica behind, by what primary and replica say of their logs?"""

import math

from hub.storage.replica import REMEMBERED_S, Lag


def test_one_that_was_never_seen_is_infinitely_far():
    lag = Lag()
    assert lag.behind_s(5) == math.inf
    lag.primary_wrote(100, 5)
    lag.replica_replayed(99)
    assert lag.behind_s(6) == math.inf


def test_one_that_has_reached_the_primary_is_as_old_as_the_look():
    lag = Lag()
    lag.primary_wrote(100, 5)
    lag.replica_replayed(100)
    assert lag.behind_s(5) == 0
    assert lag.behind_s(6) == 1


def test_it_is_as_old_as_the_last_position_that_it_has_reached():
    lag = Lag()
    for second in range(10):
        lag.primary_wrote(100 + second, second)
    lag.replica_replayed(103)
    assert lag.behind_s(9) == 6
    lag.replica_replayed(109)
    assert lag.behind_s(9) == 0


def test_a_quiet_primary_does_not_make_it_look_behind():
    lag = Lag()
    for second in range(100):
        lag.primary_wrote(100, second)
        lag.replica_replayed(100)
    assert lag.behind_s(99) == 0


def test_one_that_stands_still_falls_behind_and_memory_does_not_grow():
    lag = Lag()
    lag.primary_wrote(100, 0)
    lag.replica_replayed(100)
    for second in range(1, int(10 * REMEMBERED_S)):
        lag.primary_wrote(100 + second, second)
        lag.replica_replayed(100)
    assert lag.behind_s(second) == second
    assert len(lag._written) <= REMEMBERED_S + 1
