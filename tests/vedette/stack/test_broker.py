"""What the doctor says of messages that could not be verified: an alarm for a day, a note ever after."""

from __future__ import annotations

import time

import pytest

from shared import testing
from shared.broker import keys, refusals
from shared.broker.client import client
from shared.settings import settings
from vedette.stack import broker

DAY_S = 24 * 3600


@pytest.fixture(autouse=True)
def url(redis_server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> str:
    fresh_settings.setenv("VEDETTE_REDIS_URL", redis_server.url)
    settings.cache_clear()
    client().flushdb()
    return redis_server.url


def signatures(url: str) -> tuple[bool | None, str]:
    [found] = [check for check in broker.checks(url) if check.name == "signatures"]
    return found.ok, found.detail


def put_back(seconds: int) -> None:
    client().hset(keys.REFUSALS, keys.LAST_REFUSAL, int(time.time()) - seconds)


def test_where_all_messages_were_ours_nothing_is_wrong(url: str) -> None:
    assert signatures(url) == (True, "all messages were ours")
    refusals.count({"made-up": 1})
    assert signatures(url) == (True, "all messages were ours")


def test_a_forged_message_is_a_failure_for_a_day(url: str) -> None:
    refusals.count({"unsigned": 2})
    ok, detail = signatures(url)
    assert (ok, detail[:20]) == (False, "2 unsigned; the last")
    put_back(DAY_S - 60)
    assert signatures(url)[0] is False


def test_later_it_is_a_note_until_another_comes(url: str) -> None:
    refusals.count({"unsigned": 2})
    put_back(DAY_S + 60)
    ok, detail = signatures(url)
    assert (ok, detail[:20]) == (True, "2 unsigned; the last")
    refusals.count({"unsigned": 1})
    assert signatures(url)[0] is False
    assert refusals.counts()["unsigned"] == 3


@pytest.mark.parametrize("odd", ["", "soon", "\xff", "9" * 30, "9" * 5000, "-1e9", "nan"])
def test_a_time_that_is_none_is_said_to_be_unknown(url: str, odd: str) -> None:
    refusals.count({"unsigned": 1})
    client().hset(keys.REFUSALS, keys.LAST_REFUSAL, odd.encode("latin-1"))
    assert signatures(url) == (None, "1 unsigned; nobody knows when")


def test_the_doctor_looks_where_workers_write() -> None:
    assert (broker.REFUSALS, broker.LAST_REFUSAL) == (keys.REFUSALS, keys.LAST_REFUSAL)
