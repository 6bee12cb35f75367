from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient

from gateway.auth import access
from shared import keyring
from tests.gateway.auth import people


@pytest.fixture
def said(client: TestClient) -> dict[str, Any]:
    """The claims of a token that holds."""
    people.user(client, "a@example.org")
    token = people.login(client, "a@example.org")["access_token"]
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def sign(claims: dict[str, Any], **headers: Any) -> str:
    key_id, key = keyring.key(access.PURPOSE)
    return jwt.encode(claims, key, "HS256", headers={"kid": key_id, "typ": access.TYPE, **headers})


def asks(client: TestClient, token: str) -> int:
    return client.get("/api/v1/auth/me", headers=people.bearer(token)).status_code


def test_what_was_signed_here_holds(client: TestClient, said: dict[str, Any]) -> None:
    assert asks(client, sign(said)) == 200


@pytest.mark.parametrize("name", ["exp", "iat", "iss", "aud", "sub", "jti", "org", "fam"])
def test_every_claim_is_needed(client: TestClient, said: dict[str, Any], name: str) -> None:
    assert asks(client, sign({key: value for key, value in said.items() if key != name})) == 401


@pytest.mark.parametrize(
    "other",
    [
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"iat": datetime.now(UTC) + timedelta(hours=1)},
        {"nbf": datetime.now(UTC) + timedelta(hours=1)},
        {"iss": "else"},
        {"aud": "vedette:socket"},
        {"sub": "01a21408-0000-7000-8000-000000000000"},
        {"sub": ["x"]},
        {"org": "other"},
        {"org": {"$ne": ""}},
        {"fam": "01a21408-0000-7000-8000-000000000000"},
    ],
)
def test_other_claims_do_not_hold(client: TestClient, said: dict[str, Any], other: dict[str, Any]) -> None:
    assert asks(client, sign({**said, **other})) == 401


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"kid": "other"},
        {"kid": "../../../../dev/null"},
        {"jku": "https://evil.example/keys"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"x5u": "https://evil.example/cert"},
        {"crit": ["exp"]},
    ],
)
def test_a_token_does_not_choose_its_key(client: TestClient, said: dict[str, Any], header: dict[str, Any]) -> None:
    assert asks(client, sign(said, **header)) == 401


def test_a_token_without_a_signature_is_none(client: TestClient, said: dict[str, Any]) -> None:
    key_id, _ = keyring.key(access.PURPOSE)
    for alg in ("none", "None", "NONE", "HS256"):
        parts = ({"alg": alg, "typ": access.TYPE, "kid": key_id}, said)
        text = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
        assert asks(client, f"{text}.") == 401
    assert asks(client, jwt.encode(said, "", "none", headers={"kid": key_id, "typ": access.TYPE})) == 401


def test_no_other_algorithm_is_taken(client: TestClient, said: dict[str, Any]) -> None:
    key_id, key = keyring.key(access.PURPOSE)
    headers = {"kid": key_id, "typ": access.TYPE}
    assert asks(client, jwt.encode(said, key * 2, "HS512", headers=headers)) == 401
    private = rsa.generate_private_key(65537, 2048)
    assert asks(client, jwt.encode(said, private, "RS256", headers=headers)) == 401


def test_a_ticket_is_no_access_token(client: TestClient, said: dict[str, Any]) -> None:
    del said
    ticket = client.post("/api/v1/auth/ticket").json()["ticket"]
    assert asks(client, ticket) == 401


@pytest.mark.parametrize("text", ["eyJ", "eyJ..", "eyJhbGciOiJIUzI1NiJ9", "eyJ" + "A" * 5000, "eyJ.eyJ.\x7f"])
def test_what_is_no_token_is_refused(client: TestClient, text: str) -> None:
    assert asks(client, text) == 401
