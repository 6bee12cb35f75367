from __future__ import annotations

import resource

from hypothesis import given
from hypothesis import strategies as st

from services.scan.net.pace import CONNECT_TIMEOUT, LEAST, SHORTEST_TIMEOUT, START, Pace, most_sockets


def test_the_first_timeout_allows_for_one_lost_packet() -> None:
    assert Pace().timeout == CONNECT_TIMEOUT


def test_fast_answers_shorten_the_timeout_to_its_least() -> None:
    pace = Pace()
    for _ in range(20):
        pace.answered(0.0001)
    assert pace.timeout == SHORTEST_TIMEOUT
    assert pace.retry_timeout == 2 * SHORTEST_TIMEOUT


def test_answers_raise_the_limit_up_to_the_ceiling() -> None:
    pace = Pace(ceiling=100)
    for _ in range(200):
        pace.answered(0.01)
    assert pace.limit == 100


def test_a_late_answer_halves_the_limit_because_the_first_packet_was_lost() -> None:
    pace = Pace(ceiling=1000)
    pace.answered(0.01, again=True)
    assert pace.limit == START / 2


def test_losses_leave_a_least_limit() -> None:
    pace = Pace(ceiling=1000)
    for _ in range(50):
        pace.answered(0.01, again=True)
    assert pace.limit == LEAST


def test_silence_alone_never_slows_the_sweep() -> None:
    pace = Pace(ceiling=1000)
    for _ in range(100):
        pace.silent()
    assert pace.limit > START


def test_a_system_without_sockets_bounds_the_limit() -> None:
    pace = Pace(ceiling=1000)
    pace.starved(17)
    pace.answered(0.01)
    assert pace.limit == 17


def test_the_ceiling_leaves_files_for_the_process() -> None:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 1 <= most_sockets() < files


@given(st.lists(st.tuples(st.floats(0, 10), st.booleans())))
def test_limit_and_timeout_stay_in_their_bounds(answers: list[tuple[float, bool]]) -> None:
    pace = Pace(ceiling=500)
    for seconds, again in answers:
        pace.answered(seconds, again=again)
        assert 1 <= pace.limit <= 500
        assert SHORTEST_TIMEOUT <= pace.timeout <= pace.retry_timeout <= CONNECT_TIMEOUT
