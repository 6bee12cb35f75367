"""Users, organisations and keys made over HTTP, as people make them."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

PASSWORD = "a long enough password"


def org(client: TestClient, org_id: str) -> str:
    answer = client.post("/api/v1/orgs", json={"id": org_id, "name": org_id.title()})
    assert answer.status_code == 201, answer.text
    return org_id


def user(client: TestClient, email: str, **fields: Any) -> str:
    body = {"email": email, "password": PASSWORD, "org": "local", "role": "viewer", **fields}
    answer = client.post("/api/v1/users", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def login(client: TestClient, email: str, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD, **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def logged_in(client: TestClient, email: str, **fields: Any) -> dict[str, str]:
    """The header of a new user with these fields."""
    user(client, email, **fields)
    return bearer(login(client, email)["access_token"])


def key(client: TestClient, headers: dict[str, str], **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/api-keys", json={"name": "ci", **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def audited(client: TestClient, action: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get("/api/v1/audit", params={"action": action}).json()["items"]
    return items
