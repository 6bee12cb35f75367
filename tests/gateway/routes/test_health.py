from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from shared.broker import refusals
from shared.heartbeat import age_s
from shared.settings import settings
from shared.store import engine
from shared.testing import RedisServer, wait_for


def test_a_gateway_that_reaches_everything_is_ready(client: TestClient) -> None:
    wait_for(lambda: client.get("/readyz").json()["status"] == "ready", "ready")
    assert client.get("/readyz").json()["checks"] is None
    checks = client.get("/readyz?verbose").json()["checks"]
    assert checks == {"database": "ok", "broker": "ok", "bus": "ok", "events": "ok"}


def test_without_a_broker_it_is_degraded_and_goes_on_until_that_is_back(
    client: TestClient, mortal_redis: RedisServer
) -> None:
    mortal_redis.stop()
    wait_for(lambda: client.get("/readyz?verbose").json()["checks"]["events"] == "away", "events away")
    answer = client.get("/readyz?verbose")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert (answer.json()["checks"]["broker"], answer.json()["checks"]["bus"]) == ("away", "away")
    mortal_redis.start()
    wait_for(lambda: client.get("/readyz").json()["status"] == "ready", "ready again")


def test_without_a_database_it_is_not_ready(
    client: TestClient, fresh_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine.engine().dispose()
    fresh_settings.setenv("VEDETTE_DATABASE_URL", f"sqlite:///{tmp_path}/none/v.db")
    settings.cache_clear()
    engine.forget()
    answer = client.get("/readyz?verbose")
    assert (answer.status_code, answer.json()["status"]) == (503, "unready")
    assert answer.json()["checks"]["database"] == "away"
    assert str(tmp_path) not in answer.text
    assert client.get("/livez").json() == {"status": "alive", "checks": None}
    away = client.get("/api/v1/jobs")
    assert (away.status_code, away.json()["code"]) == (503, "database-away")


def test_it_says_its_version_and_beats(client: TestClient) -> None:
    assert client.get("/version").json()["version"].count(".") == 2
    wait_for(lambda: age_s("gateway") is not None, "a heart-beat")


def test_what_could_not_be_verified_is_told_as_an_alarm(client: TestClient) -> None:
    refusals.count({"bad-signature": 2, "unsigned": 1, "made-up": 5})
    assert client.get("/readyz?verbose").json()["checks"]["signatures"] == "2 bad-signature, 1 unsigned"
