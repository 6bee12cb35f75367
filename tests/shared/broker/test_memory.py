"""Fullness is the used share of what may be used."""

from __future__ import annotations

import pytest
import redis

from shared.broker.memory import fullness
from tests.shared.broker.conftest import fill


def test_a_server_without_a_limit_has_no_fullness(client: redis.Redis) -> None:
    assert fullness(client) is None


def test_fullness_is_a_share_of_the_limit(client: redis.Redis) -> None:
    client.config_set("maxmemory", 2 * int(client.info("memory")["used_memory"]))
    assert fullness(client) == pytest.approx(0.5, abs=0.2)
    client.config_set("maxmemory", 0)
    fill(client)
    assert (fullness(client) or 0) > 1
