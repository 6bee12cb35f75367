"""The gateway's guard: it says that nobody leads, and that somebody does again, whatever one look runs into."""

from __future__ import annotations

import threading

import pytest

from gateway import guard
from shared.alerting import Bound, Judge
from shared.broker import keys
from shared.broker.client import client
from shared.contracts.alert import AlertState
from shared.store import alerts
from shared.store.engine import reading
from shared.testing import wait_for

pytestmark = pytest.mark.usefixtures("store")


def states() -> list[AlertState]:
    with reading() as connection:
        return [alert.state for alert in alerts.page(connection)]


def test_it_says_that_nobody_leads_until_somebody_does() -> None:
    judge = Judge({guard.RULE: Bound(1, 0, 0, 0)})
    guard.look(judge)
    guard.look(judge)
    assert states() == [AlertState.FIRING]
    client().set(keys.LEADER, b"somebody")
    guard.look(judge)
    assert states() == [AlertState.RESOLVED]


class Lacking(dict[guard.AlertRule, Bound]):
    """Bounds without the one that is looked for; tells when it was."""

    def __init__(self) -> None:
        super().__init__()
        self.was_asked = threading.Event()

    def __missing__(self, rule: guard.AlertRule) -> Bound:
        self.was_asked.set()
        raise KeyError(rule)


def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "EVERY_S", 0.02)
    bounds, stop = Lacking(), threading.Event()
    thread = threading.Thread(target=guard.run, args=(stop, Judge(bounds)))
    thread.start()
    try:
        assert bounds.was_asked.wait(10)
        bounds[guard.RULE] = Bound(1, 0, 0, 0)
        wait_for(lambda: states() == [AlertState.FIRING], "it looks again")
    finally:
        stop.set()
        thread.join()
