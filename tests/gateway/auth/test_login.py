from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from gateway import tickets
from gateway.auth import Unauthorized, credentials, throttle
from tests.gateway.auth import people
from tests.gateway.driving import both_databases


@both_databases
def test_a_user_logs_in_refreshes_and_logs_out(client: TestClient) -> None:
    people.user(client, "A@Example.org", role="operator")
    pair = people.login(client, "a@example.org")
    me = client.get("/api/v1/auth/me", headers=people.bearer(pair["access_token"])).json()
    assert (me["actor"], me["org_id"], me["role"]) == ("user:a@example.org", "local", "operator")
    assert "submit" in me["permissions"]
    assert "members" not in me["permissions"]
    following = client.post("/api/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]}).json()
    mine = people.bearer(following["access_token"])
    assert client.post("/api/v1/auth/logout", json={}, headers=mine).status_code == 204
    assert client.get("/api/v1/auth/me", headers=mine).status_code == 401
    gone = client.post("/api/v1/auth/refresh", json={"refresh_token": following["refresh_token"]})
    assert (gone.status_code, gone.json()["cure"]) == (401, "Log in again: vedette login")


def test_a_refresh_token_shown_twice_ends_the_log_in(client: TestClient) -> None:
    people.user(client, "a@example.org")
    first = people.login(client, "a@example.org")
    second = client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": second["refresh_token"]}).status_code == 401
    assert client.get("/api/v1/auth/me", headers=people.bearer(second["access_token"])).status_code == 401
    assert people.audited(client, "login.reused")


@pytest.mark.parametrize("email", ["a@example.org", "nobody@example.org"])
def test_a_wrong_password_says_nothing_of_the_user(client: TestClient, email: str) -> None:
    people.user(client, "a@example.org")
    answer = client.post("/api/v1/auth/login", json={"email": email, "password": "wrong"})
    assert (answer.status_code, answer.json()["detail"]) == (401, "E-mail or password is wrong.")
    assert "wrong" not in str(people.audited(client, "login.failed")[0])


def test_an_account_is_throttled_and_nobody_else(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    people.user(client, "a@example.org")
    people.user(client, "b@example.org")
    monkeypatch.setattr(throttle, "ACCOUNT", type(throttle.ACCOUNT)(3, 15))
    for _ in range(3):
        client.post("/api/v1/auth/login", json={"email": "a@example.org", "password": "wrong"})
    answer = client.post("/api/v1/auth/login", json={"email": "a@example.org", "password": people.PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-logins")
    assert int(answer.headers["retry-after"]) >= 1
    assert people.login(client, "b@example.org")
    assert people.audited(client, "login.throttled")


def test_another_password_ends_what_the_old_one_began(client: TestClient) -> None:
    mine = people.logged_in(client, "a@example.org")
    other = people.login(client, "a@example.org")
    wrong = {"current": "not the password", "new": "another password entirely"}
    assert client.post("/api/v1/auth/password", json=wrong, headers=mine).status_code == 403
    body = {"current": people.PASSWORD, "new": "another password entirely"}
    assert client.post("/api/v1/auth/password", json=body, headers=mine).status_code == 204
    assert client.get("/api/v1/auth/me", headers=mine).status_code == 200
    assert client.get("/api/v1/auth/me", headers=people.bearer(other["access_token"])).status_code == 401
    assert client.post("/api/v1/auth/refresh", json={"refresh_token": other["refresh_token"]}).status_code == 401
    [told] = people.audited(client, "password.changed")
    assert (told["actor"], "another password" in str(told)) == ("user:a@example.org", False)
    old = client.post("/api/v1/auth/login", json={"email": "a@example.org", "password": people.PASSWORD})
    assert old.status_code == 401


def test_who_is_shut_out_is_out_at_once(client: TestClient) -> None:
    user_id = people.user(client, "a@example.org", role="admin")
    mine = people.bearer(people.login(client, "a@example.org")["access_token"])
    secret = people.key(client, mine)["secret"]
    assert client.patch(f"/api/v1/users/{user_id}", json={"disabled": True}).status_code == 200
    assert client.get("/api/v1/auth/me", headers=mine).status_code == 401
    assert client.get("/api/v1/auth/me", headers=people.bearer(secret)).status_code == 401


def test_an_organisation_that_is_suspended_lets_nobody_in(client: TestClient) -> None:
    people.org(client, "acme")
    mine = people.logged_in(client, "a@example.org", org="acme", role="admin")
    secret = people.key(client, mine)["secret"]
    client.patch("/api/v1/orgs/acme", json={"suspended": True})
    for shown in (mine, people.bearer(secret)):
        answer = client.get("/api/v1/auth/me", headers=shown)
        assert (answer.status_code, answer.json()["code"]) == (403, "organisation-suspended")
        assert "vedette login --org" in answer.json()["cure"]
    for org in ({}, {"org": "acme"}):
        body = {"email": "a@example.org", "password": people.PASSWORD, **org}
        refused = client.post("/api/v1/auth/login", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "organisation-suspended")
    client.patch("/api/v1/orgs/acme", json={"suspended": False})
    assert client.get("/api/v1/auth/me", headers=mine).status_code == 200


def test_a_user_of_two_organisations_switches(client: TestClient) -> None:
    people.org(client, "acme")
    mine = people.logged_in(client, "a@example.org")
    as_acme = {"Vedette-Organisation": "acme"}
    body = {"email": "a@example.org", "role": "owner"}
    assert client.post("/api/v1/members", json=body, headers=as_acme).status_code == 201
    there = client.post("/api/v1/auth/switch", json={"org": "acme"}, headers=mine).json()
    me = client.get("/api/v1/auth/me", headers=people.bearer(there["access_token"])).json()
    assert (me["org_id"], me["role"], me["orgs"]) == ("acme", "owner", ["local", "acme"])
    assert client.post("/api/v1/auth/switch", json={"org": "nowhere"}, headers=mine).status_code == 404


def test_only_the_installation_s_token_acts_for_others(client: TestClient) -> None:
    people.org(client, "acme")
    mine = people.logged_in(client, "a@example.org", role="owner")
    answer = client.get("/api/v1/auth/me", headers={**mine, "Vedette-Organisation": "acme"})
    assert answer.status_code == 403
    assert client.get("/api/v1/auth/me", headers={"Vedette-Organisation": "acme"}).json()["org_id"] == "acme"
    assert client.get("/api/v1/auth/me", headers={"Vedette-Organisation": "nowhere"}).status_code == 404


def test_a_root_user_acts_in_an_organisation_that_is_not_theirs_until_shut_out(client: TestClient) -> None:
    people.org(client, "acme")
    people.user(client, "root@example.org", is_root=True)
    log_in = people.login(client, "root@example.org")
    there = people.bearer(log_in["access_token"]) | {"Vedette-Organisation": "acme"}
    me = client.get("/api/v1/auth/me", headers=there).json()
    assert (me["actor"], me["org_id"], "submit" in me["permissions"]) == ("user:root@example.org", "acme", True)
    secret = people.key(client, there)["secret"]
    assert client.get("/api/v1/auth/me", headers=people.bearer(secret)).json()["org_id"] == "acme"
    ticket = client.post("/api/v1/auth/ticket", headers=there).json()["ticket"]
    told = tickets.redeem(ticket)
    assert credentials.again(told).org_id == "acme"
    assert client.post("/api/v1/auth/logout", json={}, headers=there).status_code == 204
    assert client.get("/api/v1/auth/me", headers=there).status_code == 401
    with pytest.raises(Unauthorized):
        credentials.again(told)


@pytest.mark.parametrize("query", ["token=x", "api_key=x", "access_token=x", "Authorization=Bearer%20x"])
def test_a_credential_in_the_url_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "credential-in-url")


def test_a_query_of_many_fields_is_read_to_its_end(client: TestClient) -> None:
    many = "&".join(["a=1"] * 200)
    assert client.get(f"/api/v1/jobs?{many}", headers={"Authorization": ""}).status_code == 401
    assert client.get(f"/api/v1/jobs?{many}&token=x").status_code == 400
