"""Each process has a client of its own, which waits for nobody."""

from __future__ import annotations

import os
import time

import pytest
import redis

from shared import testing
from shared.broker import client as broker_client
from shared.broker.client import Script
from shared.settings import settings


@pytest.fixture
def named(own_server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> testing.RedisServer:
    """A server that the settings name."""
    fresh_settings.setenv("VEDETTE_REDIS_URL", own_server.url)
    fresh_settings.setenv("VEDETTE_REDIS_BROKER_DB", "3")
    settings.cache_clear()
    return own_server


def test_the_client_speaks_to_the_brokers_database(named: testing.RedisServer) -> None:
    broker_client.client().set("here", "yes")
    with redis.Redis.from_url(f"{named.url}?db=3") as other:
        assert other.get("here") == b"yes"
    assert broker_client.client() is broker_client.client()


def test_a_forked_child_has_its_own(named: testing.RedisServer) -> None:
    parents = broker_client.client()
    assert parents.ping()
    child = os.fork()
    if child == 0:
        os._exit(0 if broker_client.client() is not parents and broker_client.client().ping() else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert parents.ping()


def test_an_absent_server_is_an_error_at_once_and_one_that_is_back_is_none(named: testing.RedisServer) -> None:
    assert broker_client.client().ping()
    named.stop()
    start = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        broker_client.client().ping()
    assert time.monotonic() - start < broker_client.TIMEOUT_S
    named.start()
    assert broker_client.client().ping()


def test_a_script_survives_a_server_that_forgot_it(client: redis.Redis) -> None:
    script = Script("return ARGV[1]")
    assert script.run(client, [], ["a"]) == b"a"
    assert script.run(client, [], ["b"]) == b"b"
    client.script_flush()
    assert script.run(client, [], ["c"]) == b"c"
