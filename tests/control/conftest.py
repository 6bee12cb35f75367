"""A broker of one test's own, which it may empty, stop and start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import testing
from shared.broker import client
from shared.settings import settings
from tests import broker


@pytest.fixture
def server(database: str, fresh_settings: pytest.MonkeyPatch) -> Iterator[testing.RedisServer]:
    with testing.redis_server() as made:
        fresh_settings.setenv("VEDETTE_REDIS_URL", made.url)
        fresh_settings.setenv("VEDETTE_REPUBLISH_AFTER_S", "0")
        settings.cache_clear()
        client.forget()
        with broker.pointed():
            yield made
