from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway import limits
from shared.testing import RedisServer
from tests.gateway import foreign
from tests.gateway.auth import people

HERE = "http://127.0.0.1"


@pytest.fixture
def known(app: FastAPI) -> Iterator[TestClient]:
    """A client with an API key, whose organisation may ask 5 times a minute."""
    bearer = foreign.bearer("org-b")
    with TestClient(app, base_url=HERE, headers=bearer, raise_server_exceptions=False) as client:
        assert client.patch("/api/v1/quota", json={"requests_per_minute": 5}).status_code == 200
        yield client


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FRESH_S", 0.0)


def test_a_known_caller_sees_what_is_left(known: TestClient) -> None:
    first, second = (known.get("/api/v1/quota").headers for _ in range(2))
    assert first["ratelimit-policy"] == '"minute";q=5;w=60'
    left = [int(each["ratelimit"].split("r=")[1].split(";")[0]) for each in (first, second)]
    assert left[0] - left[1] == 1


def test_who_asks_too_often_is_told_when_to_come_back(known: TestClient) -> None:
    for _ in range(6):
        answer = known.get("/api/v1/quota")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (429, "too-many-requests", True)
    assert answer.headers["content-type"] == "application/problem+json"
    assert 50 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit"].startswith('"minute";r=0;t=')


def test_the_token_of_the_installation_has_no_limit_unless_one_is_set(client: TestClient) -> None:
    assert "ratelimit" not in client.get("/api/v1/quota").headers
    client.patch("/api/v1/quota", json={"requests_per_minute": 100})
    assert client.get("/api/v1/quota").headers["ratelimit-policy"] == '"minute";q=100;w=60'


def test_strangers_are_told_nothing(known: TestClient) -> None:
    answer = known.get("/api/v1/quota", headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, "ratelimit" in answer.headers) == (401, False)


def test_without_redis_it_is_counted_here_at_once(
    known: TestClient, mortal_redis: RedisServer, fresh_settings: pytest.MonkeyPatch
) -> None:
    mortal_redis.stop()
    started = time.monotonic()
    answers = [known.get("/api/v1/quota") for _ in range(6)]
    assert time.monotonic() - started < 2.0
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]


def test_a_member_s_limit_is_not_above_the_organisation_s(client: TestClient) -> None:
    client.patch("/api/v1/quota", json={"requests_per_minute": 5})
    user_id = people.user(client, "a@example.org", role="owner")
    mine = people.bearer(people.login(client, "a@example.org")["access_token"])
    change = client.patch(f"/api/v1/quota/members/{user_id}", json={"requests_per_minute": 1000}, headers=mine)
    assert change.status_code == 200
    assert client.get("/api/v1/quota", headers=mine).json()["requests_per_minute"] == 5
    assert client.get("/api/v1/jobs", headers=mine).headers["RateLimit-Policy"] == '"minute";q=5;w=60'
