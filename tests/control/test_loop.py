"""A loop goes on after any error; one that hangs is known to."""

from __future__ import annotations

import threading

import pytest

from control import loop
from control.loop import Loop, Stop
from shared.testing import wait_for


def test_a_loop_that_fails_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SHORTEST_S", 0.01)
    turns: list[int] = []

    def run(stop: Stop) -> None:
        turns.append(1)
        if len(turns) < 3:
            raise RuntimeError("a bug")
        stop.wait()

    made = Loop("test", run)
    made.start()
    wait_for(lambda: len(turns) == 3, "it was started three times")
    assert made.is_well
    made.ask_to_end()
    assert made.has_ended(5)
    assert not made.is_well


def test_a_loop_that_does_not_ask_for_its_end_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HUNG_S", 0.05)
    goes_on = threading.Event()
    made = Loop("test", lambda stop: goes_on.wait() and None)
    made.start()
    wait_for(lambda: not made.is_well, "it hangs")
    made.ask_to_end()
    assert not made.has_ended(0.05)
    goes_on.set()
    assert made.has_ended(5)


def test_waiting_long_is_not_hanging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "HUNG_S", 0.05)
    asleep = threading.Event()

    def run(stop: Stop) -> None:
        asleep.set()
        stop.wait(60)

    made = Loop("test", run)
    made.start()
    asleep.wait()
    made.has_ended(0.2)
    assert made.is_well
    made.ask_to_end()
    assert made.has_ended(5)
