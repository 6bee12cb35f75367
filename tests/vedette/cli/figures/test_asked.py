from __future__ import annotations

from shared.contracts.job import JobState
from shared.contracts.statistics import Bucket
from tests.vedette.cli.figures.making import AS_OF, DAY
from vedette.cli.figures.asked import ENDS, filled


def test_intervals_without_jobs_are_there_with_noughts() -> None:
    moments = DAY.moments(AS_OF)
    found = filled([Bucket(at=moments[7], states={JobState.DEAD: 2}, success_rate=0.0, p95_s=3.0)], moments)
    assert [bucket.at for bucket in found] == moments
    assert all(tuple(bucket.states) == ENDS for bucket in found)
    assert [sum(bucket.states.values()) for bucket in found] == [0] * 7 + [2] + [0] * 17
    assert (found[7].success_rate, found[7].p95_s, found[8].success_rate) == (0.0, 3.0, None)


def test_a_job_ends_in_one_of_five_ways() -> None:
    assert set(ENDS) == {state for state in JobState if state.is_terminal}
