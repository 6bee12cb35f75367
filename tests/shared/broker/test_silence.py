from __future__ import annotations

import threading

import pytest
import redis

from shared.broker import silence
from shared.broker.silence import RedisSilent


def fail_after(seconds: float) -> None:
    with silence.heeded():
        threading.Event().wait(seconds)  # as an answer is waited for that does not come
        raise redis.TimeoutError


def test_after_a_time_out_nobody_asks_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "AWAY_S", 0.2)
    with silence.hurrying():
        with pytest.raises(redis.TimeoutError):
            fail_after(silence.SLOW_S)
        with pytest.raises(RedisSilent), silence.heeded():
            pytest.fail("Redis was asked")
        threading.Event().wait(0.25)
        with silence.heeded():
            pass


def test_a_refusal_that_comes_at_once_is_no_silence() -> None:
    with silence.hurrying():
        with pytest.raises(redis.TimeoutError):
            fail_after(0)
        with silence.heeded():
            pass


def test_a_process_that_may_wait_asks_each_time_and_waits_as_long_as_it_likes() -> None:
    with pytest.raises(redis.TimeoutError):
        fail_after(silence.SLOW_S)
    with silence.heeded():
        assert silence.timeout_s(2.0) == 2.0
    with silence.hurrying():
        assert silence.timeout_s(2.0) == silence.HURRIED_S
