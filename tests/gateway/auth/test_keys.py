from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from shared.ids import now
from shared.store.engine import reading, writing
from shared.store.tables import api_keys
from tests.gateway.auth import people
from tests.gateway.driving import both_databases


def me(client: TestClient, secret: str) -> int:
    return client.get("/api/v1/auth/me", headers=people.bearer(secret)).status_code


@both_databases
def test_a_key_is_told_once_and_kept_as_a_hash(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="operator")
    made = people.key(client, mine)
    assert me(client, made["secret"]) == 200
    (listed,) = client.get("/api/v1/api-keys", headers=mine).json()["items"]
    assert listed["secret"] == ""
    assert listed["last_used_at"]
    with reading() as connection:
        row = str(dict(connection.execute(select(api_keys)).mappings().one()))
    assert made["secret"] not in row
    assert made["secret"].rpartition("_")[2] not in row
    assert made["secret"] not in str(people.audited(client, "key"))


def test_a_key_has_no_more_than_its_maker(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="operator")
    for body in ({"role": "admin"}, {"role": "owner"}, {"role": "admin", "scopes": ["audit"]}):
        answer = client.post("/api/v1/api-keys", json={"name": "x", **body}, headers=mine)
        assert answer.status_code == 403, body


def test_scopes_limit_a_key(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="operator")
    narrow = people.bearer(people.key(client, mine, scopes=["submit"])["secret"])
    assert client.get("/api/v1/jobs", headers=narrow).status_code == 403
    body = {"target": {"kind": "host", "host": "127.0.0.1"}, "reports": []}
    assert client.post("/api/v1/jobs", json=body, headers=narrow).status_code == 202
    assert client.post("/api/v1/api-keys", json={"name": "x"}, headers=narrow).status_code == 403


def test_a_key_falls_with_its_user(client: TestClient) -> None:
    user_id = people.user(client, "a@example.org", role="admin")
    mine = people.bearer(people.login(client, "a@example.org")["access_token"])
    secret = people.key(client, mine, role="admin")["secret"]
    client.patch(f"/api/v1/members/{user_id}", json={"role": "viewer"})
    assert client.get("/api/v1/audit", headers=people.bearer(secret)).status_code == 403
    client.delete(f"/api/v1/members/{user_id}")
    assert me(client, secret) == 401
    client.post("/api/v1/members", json={"email": "a@example.org", "role": "admin"})
    assert me(client, secret) == 401
    assert client.get("/api/v1/auth/me", headers=mine).status_code == 401


def test_a_key_that_is_over_is_refused_and_written_down(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org")
    revoked, expired = people.key(client, mine, role="viewer"), people.key(client, mine, role="viewer")
    client.delete(f"/api/v1/api-keys/{revoked['id']}", headers=mine)
    with writing() as connection:
        mine_too = update(api_keys).where(api_keys.c.id == expired["id"])
        connection.execute(mine_too.values(expires_at=now() - timedelta(seconds=1)))
    assert [me(client, each["secret"]) for each in (revoked, expired)] == [401, 401]
    assert "key:ci" in {line["actor"] for line in people.audited(client, "login.refused")}


def test_a_rotated_key_holds_for_its_overlap(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org")
    old, other = people.key(client, mine, role="viewer"), people.key(client, mine, role="viewer")
    new = client.post(f"/api/v1/api-keys/{old['id']}:rotate", json={}, headers=mine).json()
    assert [me(client, each["secret"]) for each in (old, new)] == [200, 200]
    client.post(f"/api/v1/api-keys/{other['id']}:rotate", json={"overlap_s": 0}, headers=mine)
    assert me(client, other["secret"]) == 401
    assert client.post(f"/api/v1/api-keys/{old['id']}:rotate", json={}, headers=mine).status_code == 409


@both_databases
def test_a_key_prolongs_itself_by_no_rotation_and_no_further_key(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="admin")
    first = people.key(client, mine, role="admin", days=1)
    with writing() as connection:  # half of its day is over
        at = {"created_at": now() - timedelta(hours=12), "expires_at": now() + timedelta(hours=12)}
        connection.execute(update(api_keys).values(**at))
    ends_at = client.get("/api/v1/api-keys").json()["items"][0]["expires_at"]
    shown = people.bearer(first["secret"])
    second = people.key(client, shown, name="second", days=None)
    rotated = client.post(f"/api/v1/api-keys/{first['id']}:rotate", json={}, headers=shown).json()
    assert second["expires_at"] == rotated["expires_at"] == ends_at
    by_user = client.post(f"/api/v1/api-keys/{second['id']}:rotate", json={}, headers=mine).json()
    assert by_user["expires_at"] > by_user["created_at"]


def test_one_sees_and_ends_one_s_own_keys_alone(client: TestClient) -> None:
    a, b = people.logged_in(client, "a@example.org"), people.logged_in(client, "b@example.org")
    made = people.key(client, a, role="viewer")
    assert client.get("/api/v1/api-keys", headers=b).json()["items"] == []
    assert client.delete(f"/api/v1/api-keys/{made['id']}", headers=b).status_code == 404
    admin = people.logged_in(client, "c@example.org", role="admin")
    assert client.delete(f"/api/v1/api-keys/{made['id']}", headers=admin).status_code == 200


@pytest.mark.parametrize("text", ["vdt_", "vdt__", "vdt_abc", "vdt_0123456789_x", "vdt_" + "x" * 4000, "vdt_\xff_x"])
def test_what_is_no_key_is_refused(client: TestClient, text: str) -> None:
    answer = client.get("/api/v1/auth/me", headers={b"Authorization": f"Bearer {text}".encode("latin-1")})
    assert answer.status_code == 401


def test_an_admin_s_key_that_belongs_to_nobody_makes_no_owner(client: TestClient) -> None:
    viewer = people.user(client, "v@example.org")
    service = people.bearer(people.key(client, {}, role="admin")["secret"])
    owners = people.key(client, {}, name="owners", role="owner", scopes=["members"])
    body = {"name": "up", "role": "owner", "scopes": ["members"]}
    assert client.post("/api/v1/api-keys", json=body, headers=service).status_code == 403
    assert client.post(f"/api/v1/api-keys/{owners['id']}:rotate", json={}, headers=service).status_code == 403
    change = client.patch(f"/api/v1/members/{viewer}", json={"role": "owner"}, headers=service)
    assert change.status_code == 403


def test_nobody_acts_under_the_name_of_another_s_key(client: TestClient) -> None:
    a, b = people.logged_in(client, "a@example.org"), people.logged_in(client, "b@example.org")
    made = people.key(client, a, role="viewer")
    body = {"name": "ci", "role": "viewer"}
    assert client.post("/api/v1/api-keys", json=body, headers=b).status_code == 409
    client.delete(f"/api/v1/api-keys/{made['id']}", headers=a)
    assert client.post("/api/v1/api-keys", json=body, headers=b).status_code == 201


def test_an_answer_is_repeated_to_the_key_that_got_it_alone(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="admin")
    wide, narrow = people.key(client, mine, role="admin"), people.key(client, mine, role="viewer")
    body, once = {"name": "deploy", "role": "admin"}, {"Idempotency-Key": "deploy-1"}
    first = client.post("/api/v1/api-keys", json=body, headers=people.bearer(wide["secret"]) | once)
    again = client.post("/api/v1/api-keys", json=body, headers=people.bearer(narrow["secret"]) | once)
    assert (first.status_code, again.status_code) == (201, 403)
    assert first.json()["secret"] not in again.text


def test_a_key_ends_no_log_in_and_sees_one_organisation(client: TestClient) -> None:
    people.org(client, "acme")
    user_id = people.user(client, "a@example.org")
    mine = people.bearer(people.login(client, "a@example.org")["access_token"])
    client.post("/api/v1/members", json={"email": "a@example.org"}, headers={"Vedette-Organisation": "acme"})
    key = people.bearer(people.key(client, mine, role="viewer")["secret"])
    assert client.post("/api/v1/auth/logout", json={"everywhere": True}, headers=key).status_code == 403
    assert client.get("/api/v1/auth/me", headers=mine).json()["orgs"] == ["local", "acme"], user_id
    assert client.get("/api/v1/auth/me", headers=key).json()["orgs"] == ["local"]
    assert [org["id"] for org in client.get("/api/v1/orgs", headers=key).json()["items"]] == ["local"]
    assert client.get("/api/v1/orgs/acme", headers=key).status_code == 404


def test_a_narrow_key_ends_itself_and_no_other(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org", role="operator")
    other, narrow = people.key(client, mine), people.key(client, mine, scopes=["read"])
    bearer = people.bearer(narrow["secret"])
    assert client.delete(f"/api/v1/api-keys/{other['id']}", headers=bearer).status_code == 403
    assert client.delete(f"/api/v1/api-keys/{narrow['id']}", headers=bearer).status_code == 200
