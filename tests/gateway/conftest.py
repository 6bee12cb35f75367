"""A gateway with a real store and a real Redis; jobs are driven through the layers, as workers drive them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert

from gateway import broker, pressure
from gateway.__main__ import build
from gateway.app import create_app
from shared import registry
from shared.contracts.job import StageName
from shared.contracts.submission import Options
from shared.ids import new_id, now
from shared.settings import settings
from shared.store import jobs, plugins
from shared.store.engine import writing
from shared.store.tables import dead_letters
from shared.testing import RedisServer, wait_for
from tests.gateway.driving import BEARER, HOSTS, RAW, TOKEN, Served


@pytest.fixture
def store(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    clean_database: Callable[[str, Path], str],
    fresh_settings: pytest.MonkeyPatch,
    bus_url: str,
) -> Iterator[None]:
    """An empty database whose report and notify workers have announced themselves, and the broker of this test."""
    fresh_settings.setenv("VEDETTE_DATABASE_URL", clean_database(getattr(request, "param", "sqlite"), tmp_path))
    fresh_settings.setenv("VEDETTE_RUN_DIR", str(tmp_path))
    fresh_settings.setenv("VEDETTE_TOKEN", TOKEN)
    fresh_settings.setattr(pressure, "GAUGE", pressure.Gauge())
    settings.cache_clear()
    with writing() as connection:
        plugins.announce(connection, "formats", ["html", "json", "pdf"])
        plugins.announce(connection, "channels", ["https", "mailto"])
    before = broker.app().conf.broker_url
    _point_broker(settings().broker_url)
    yield
    _point_broker(before)


@pytest.fixture
def mortal_redis(redis_server: RedisServer) -> Iterator[RedisServer]:
    """The Redis of all tests, for one that stops it: it runs again afterwards."""
    yield redis_server
    if redis_server.running is None:
        redis_server.start()


@pytest.fixture
def app(store: None) -> FastAPI:
    return create_app(TOKEN, HOSTS)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """A client with the token."""
    with TestClient(app, base_url="http://127.0.0.1", headers=BEARER, raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def served(store: None, fresh_settings: pytest.MonkeyPatch) -> Iterator[Served]:
    """The gateway on a port of loopback, for streams."""
    fresh_settings.setenv("VEDETTE_GATEWAY_PORT", "0")
    settings.cache_clear()
    server = build(settings())
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, "the gateway serves")
    running = Served(server, thread)
    wait_for(lambda: server.live.is_connected, "live events")
    yield running
    running.stop()


@pytest.fixture
def make_job(store: None) -> Callable[..., str]:
    """Return a function that writes a job for `host` and returns its id."""

    def make(host: str = "127.0.0.1", org_id: str = "local", **options: object) -> str:
        chosen = Options.model_validate(options)
        new = jobs.NewJob(
            org_id=org_id,
            target=registry.target({"kind": "host", "host": host}),
            options=chosen,
            lane="scan",
            deadline_at=now() + timedelta(hours=1),
            parts={StageName.REPORT: chosen.reports},
        )
        with writing() as connection:
            return jobs.create(connection, [new])[0]

    return make


@pytest.fixture
def bury(store: None) -> Callable[..., str]:
    """Write a dead letter; return its id."""

    def write(**fields: Any) -> str:
        letter_id = new_id()
        row = {
            "id": letter_id,
            "org_id": "local",
            "stage": "scan",
            "target": "127.0.0.1",
            "target_kind": "host",
            "queue": "scan",
            "reason": "stage-failed",
            "failure_class": "external",
            "error": {"type": "HostUnreachable", "code": "host-unreachable", "message": "No answer."},
            "error_type": "HostUnreachable",
            "code": "host-unreachable",
            "message": "No answer.",
            "fingerprint": "aaaa",
            "state": "open",
            "raw": RAW,
            "first_failed_at": now(),
            "last_failed_at": now(),
            **fields,
        }
        with writing() as connection:
            connection.execute(insert(dead_letters), row)
        return letter_id

    return write


def _point_broker(url: str) -> None:
    app: Any = broker.app()
    app.conf.broker_url = url
    app._after_fork()  # drops the pools, which belong to the broker of another test
