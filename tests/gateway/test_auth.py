from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.auth import TokenMissing
from tests.gateway.driving import TOKEN


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/api/v1/openapi.json", "/api/v1/jobs/abcd/events", "/nowhere", "/"])
def test_nothing_answers_without_the_token(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthorized"
    assert answer.headers["www-authenticate"] == 'Bearer realm="vedette"'


@pytest.mark.parametrize(
    "given", [f"Bearer {TOKEN}x", "Bearer x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff"]
)
def test_a_wrong_token_is_refused(client: TestClient, given: str) -> None:
    answer = client.get("/api/v1/jobs", headers={b"Authorization": given.encode("latin-1")})
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_the_scheme_may_be_written_in_any_case(client: TestClient) -> None:
    assert client.get("/api/v1/jobs", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_a_body_is_not_read_before_the_token(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        yield b"["
        raise AssertionError("the gateway asked for the body")

    assert client.post("/api/v1/jobs", content=endless(), headers={"Authorization": "Bearer no"}).status_code == 401


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/version"])
def test_probes_need_no_token(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"Authorization": ""}).status_code == 200
    assert client.head(path, headers={"Authorization": ""}).status_code == 200


def test_a_gateway_without_a_token_is_not_made() -> None:
    with pytest.raises(TokenMissing, match="everybody") as raised:
        create_app("")
    assert "VEDETTE_TOKEN" in raised.value.cure
