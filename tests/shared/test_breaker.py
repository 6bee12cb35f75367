"""The circuit breaker: opens after failures in a row, lets one through, and never stands in the way without Redis."""

from __future__ import annotations

import pytest

from shared import breaker
from shared.broker.client import client, forget
from shared.settings import settings

ORG = "org"
HOST = "Hooks.Example.org"


@pytest.fixture(autouse=True)
def broker(bus_url: str) -> None:
    del bus_url
    forget()
    client().flushdb()


def open_it() -> None:
    for _ in range(breaker.LIMIT):
        breaker.failed(ORG, HOST)


def let_the_pause_pass() -> None:
    key = f"breaker:{ORG}:{HOST.lower()}"
    client().hset(key, "until", client().time()[0] - 1)


def test_a_host_that_nobody_called_may_be_called() -> None:
    assert breaker.wait_s(ORG, HOST) == 0


def test_a_few_failures_open_nothing() -> None:
    for _ in range(breaker.LIMIT - 1):
        breaker.failed(ORG, HOST)
    assert breaker.wait_s(ORG, HOST) == 0


def test_failures_in_a_row_open_it_for_that_host_alone() -> None:
    open_it()
    assert 0 < breaker.wait_s(ORG, HOST) <= breaker.FIRST_S
    assert breaker.wait_s(ORG, "other.example.org") == 0


def test_a_success_between_them_begins_the_count_anew() -> None:
    for _ in range(breaker.LIMIT - 1):
        breaker.failed(ORG, HOST)
    breaker.succeeded(ORG, HOST)
    breaker.failed(ORG, HOST)
    assert breaker.wait_s(ORG, HOST) == 0


def test_after_the_pause_one_caller_tries_and_the_others_wait() -> None:
    open_it()
    let_the_pause_pass()
    assert breaker.wait_s(ORG, HOST) == 0
    assert breaker.wait_s(ORG, HOST) > 0


def test_a_trial_that_fails_doubles_the_pause_up_to_its_limit() -> None:
    open_it()
    waits = []
    for _ in range(7):
        let_the_pause_pass()
        assert breaker.wait_s(ORG, HOST) == 0
        breaker.failed(ORG, HOST)
        waits.append(breaker.wait_s(ORG, HOST))
    assert waits[0] > breaker.FIRST_S
    assert waits == sorted(waits)
    assert breaker.LONGEST_S - 2 <= waits[-1] <= breaker.LONGEST_S


def test_a_trial_that_succeeds_closes_it_for_everybody() -> None:
    open_it()
    let_the_pause_pass()
    assert breaker.wait_s(ORG, HOST) == 0
    breaker.succeeded(ORG, HOST)
    assert [breaker.wait_s(ORG, HOST) for _ in range(3)] == [0, 0, 0]


def test_without_redis_everything_is_let_through(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", "unix:///nonexistent/r.sock")
    settings.cache_clear()
    forget()
    breaker.failed(ORG, HOST)
    assert breaker.wait_s(ORG, HOST) == 0
    breaker.succeeded(ORG, HOST)
    forget()


def test_breakers_of_one_organisation_are_none_of_another() -> None:
    for _ in range(breaker.LIMIT):
        breaker.failed(ORG, HOST)
    assert breaker.wait_s(ORG, HOST) > 0
    assert breaker.wait_s("other", HOST) == 0
