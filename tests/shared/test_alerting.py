"""When a measurement becomes an alert, and when that is over."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.alerting import Bound, Change, Judge, Key, Reading
from shared.contracts.alert import AlertRule

RULE = AlertRule.QUEUE_TOO_OLD
BOUND = Bound(fires=10, clears=5, hold_s=30, calm_s=60)


class Bench:
    """A judge, and the alerts that it opened."""

    def __init__(self) -> None:
        self.judge = Judge({RULE: BOUND})
        self.firing: set[Key] = set()

    def see(self, at_s: float, **values: float) -> Change:
        found = [Reading(RULE, subject, value, "too old", "add workers") for subject, value in values.items()]
        change = self.judge.judge(found, self.firing, at_s)
        self.firing |= {reading.key for reading in change.opened}
        self.firing -= set(change.resolved)
        return change


def test_what_is_too_much_for_long_enough_is_an_alert() -> None:
    bench = Bench()
    assert not bench.see(0, scan=10).opened
    assert not bench.see(29, scan=99).opened
    assert [reading.subject for reading in bench.see(30, scan=10).opened] == ["scan"]
    assert bench.see(31, scan=11).standing


def test_a_moment_of_less_begins_the_time_anew() -> None:
    bench = Bench()
    for at_s in range(0, 300, 20):
        assert not bench.see(at_s, scan=99).opened
        assert not bench.see(at_s + 10, scan=9.9).opened


def test_it_is_over_only_well_below_and_for_long_enough() -> None:
    bench = Bench()
    bench.see(0, scan=10)
    bench.see(30, scan=10)
    for at_s in range(31, 300):
        assert not bench.see(at_s, scan=5.1).resolved
    assert not bench.see(300, scan=5).resolved
    assert not bench.see(359, scan=0).resolved
    assert bench.see(360, scan=0).resolved == [(RULE, "scan")]


def test_what_is_no_longer_measured_is_well() -> None:
    bench = Bench()
    bench.see(0, scan=10)
    bench.see(30, scan=10)
    assert not bench.see(31).resolved
    assert bench.see(91).resolved == [(RULE, "scan")]


def test_subjects_do_not_mix() -> None:
    bench = Bench()
    bench.see(0, scan=10, notify=0)
    change = bench.see(30, scan=10, notify=10)
    assert [reading.subject for reading in change.opened] == ["scan"]


def test_an_alert_of_before_a_restart_is_neither_opened_again_nor_forgotten() -> None:
    bench = Bench()
    bench.firing = {(RULE, "scan")}
    assert bench.see(0, scan=99).opened == []
    assert not bench.see(60, scan=99).resolved
    bench.see(61, scan=0)
    assert bench.see(121, scan=0).resolved


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100)), max_size=60))
def test_it_never_opens_twice_and_never_flaps_within_the_times_held(steps: list[tuple[float, float]]) -> None:
    bench, at_s, changes = Bench(), 0.0, list[tuple[float, str]]()
    for wait_s, value in steps:
        at_s += wait_s
        change = bench.see(at_s, scan=value)
        changes += [(at_s, "opened") for _ in change.opened] + [(at_s, "resolved") for _ in change.resolved]
    kinds = [kind for _, kind in changes]
    assert kinds == ["opened", "resolved"] * (len(kinds) // 2) + ["opened"] * (len(kinds) % 2)
    for (before, _), (after, kind) in pairwise(changes):
        assert after - before >= (BOUND.calm_s if kind == "resolved" else BOUND.hold_s)
