"""Invitations: one token makes one member, once; nobody who invites learns who has an account."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gateway.auth import throttle
from shared.ids import now
from shared.store.engine import reading, writing
from shared.store.tables import invitations
from tests.gateway.auth import people
from tests.gateway.driving import both_databases

INVITATIONS = "/api/v1/invitations"
EMAIL = "ann@example.org"


def invited(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    answer = client.post(INVITATIONS, json={"email": EMAIL, **fields}, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def accepted(client: TestClient, token: str, password: str = people.PASSWORD) -> httpx2.Response:
    body = {"token": token, "password": password, "name": "Ann"}
    return client.post(f"{INVITATIONS}/accept", json=body, headers={"Authorization": ""})


@both_databases
def test_whoever_has_no_account_gets_one_by_accepting(client: TestClient) -> None:
    admin = people.logged_in(client, "admin@example.org", role="admin")
    made = invited(client, admin, role="operator", email="Ann@Example.org")
    answer = accepted(client, made["token"])
    assert answer.status_code == 200, answer.text
    me = client.get("/api/v1/auth/me", headers=people.bearer(answer.json()["access_token"])).json()
    assert (me["actor"], me["org_id"], me["role"]) == (f"user:{EMAIL}", "local", "operator")
    assert people.login(client, EMAIL)
    [told] = people.audited(client, "invitation.accepted")
    assert (told["actor"], told["after"]) == (f"user:{EMAIL}", {"email": EMAIL, "role": "operator"})
    assert len(people.audited(client, "user.created")) == 2
    [listed] = client.get(INVITATIONS, headers=admin).json()["items"]
    assert (listed["created_by"], bool(listed["accepted_at"])) == ("user:admin@example.org", True)


@both_databases
def test_whoever_has_an_account_accepts_by_its_password_alone(client: TestClient) -> None:
    people.org(client, "acme")
    people.user(client, EMAIL)
    token = invited(client, {"Vedette-Organisation": "acme"}, role="admin")["token"]
    wrong = accepted(client, token, "some other password")
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "E-mail or password is wrong.")
    answer = accepted(client, token).json()
    assert (answer["org_id"], answer["orgs"]) == ("acme", ["local", "acme"])


def test_an_invitation_is_answered_alike_whether_or_not_there_is_an_account(client: TestClient) -> None:
    people.org(client, "acme")
    people.user(client, EMAIL)
    owner = people.logged_in(client, "owner@example.org", org="acme", role="owner")
    answers = [client.post(INVITATIONS, json={"email": each}, headers=owner) for each in (EMAIL, "bob@example.org")]
    told = [(answer.status_code, sorted(answer.json()), answer.json()["accepted_at"]) for answer in answers]
    assert told[0] == told[1]
    taken_in = [
        client.post("/api/v1/members", json={"email": each}, headers=owner) for each in (EMAIL, "bob@example.org")
    ]
    assert [answer.status_code for answer in taken_in] == [403, 403]
    assert taken_in[0].json()["detail"] == taken_in[1].json()["detail"]


@both_databases
def test_of_many_who_accept_at_once_one_gets_in(client: TestClient) -> None:
    token = invited(client)["token"]
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: accepted(client, token), range(4)))
    assert statuses == [200, 404, 404, 404]
    assert accepted(client, token).status_code == 404
    assert [one["email"] for one in client.get("/api/v1/members").json()["items"]] == [EMAIL]


def test_what_is_over_accepts_nothing(client: TestClient) -> None:
    replaced, revoked = invited(client), invited(client)
    client.delete(f"{INVITATIONS}/{revoked['id']}")
    expired = invited(client, email="bob@example.org")
    with writing() as connection:
        late = update(invitations).where(invitations.c.id == expired["id"])
        connection.execute(late.values(expires_at=now() - timedelta(seconds=1)))
    for each in (replaced["token"], revoked["token"], expired["token"], "vdi_nonsense", revoked["id"]):
        answer = accepted(client, each)
        assert (answer.status_code, answer.json()["code"]) == (404, "invitation-not-found")
        assert each not in answer.text
    assert people.audited(client, "invitation.refused")
    assert people.audited(client, "invitation.revoked")
    assert client.get("/api/v1/members").json()["items"] == []


def test_what_somebody_invited_to_ends_when_they_leave_or_stand_lower(client: TestClient) -> None:
    people.user(client, "owner@example.org", role="owner")
    for n, change in enumerate(({"role": "viewer"}, None)):
        email = f"admin{n}@example.org"
        user_id = people.user(client, email, role="admin")
        admin = people.bearer(people.login(client, email)["access_token"])
        token = invited(client, admin, email=f"friend{n}@example.org", role="admin")["token"]
        where = f"/api/v1/members/{user_id}"
        answer = client.patch(where, json=change) if change else client.delete(where)
        assert answer.status_code < 300
        assert accepted(client, token).status_code == 404


def test_nobody_invites_above_themselves_and_a_viewer_not_at_all(client: TestClient) -> None:
    admin = people.logged_in(client, "admin@example.org", role="admin")
    viewer = people.logged_in(client, "viewer@example.org")
    above = client.post(INVITATIONS, json={"email": EMAIL, "role": "owner"}, headers=admin)
    assert (above.status_code, above.json()["detail"]) == (403, "You are below the role `owner`.")
    assert client.get(INVITATIONS, headers=viewer).status_code == 403
    assert client.post(INVITATIONS, json={"email": EMAIL}, headers=viewer).status_code == 403


def test_a_member_is_not_invited_again(client: TestClient) -> None:
    people.user(client, EMAIL)
    answer = client.post(INVITATIONS, json={"email": EMAIL})
    assert (answer.status_code, answer.json()["code"]) == (409, "member-exists")


def test_a_token_is_told_once_and_kept_nowhere(client: TestClient) -> None:
    once = {"Idempotency-Key": "invite-ann"}
    made, again = invited(client, once), invited(client, once)
    assert again == made
    listed = client.get(INVITATIONS)
    assert len(listed.json()["items"]) == 1
    assert made["token"] not in listed.text + str(people.audited(client, "invitation.created"))
    with reading() as connection:
        assert made["token"] not in str(connection.execute(select(invitations)).all())


def test_guessed_tokens_are_counted_by_address(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "ADDRESS", type(throttle.ADDRESS)(3, 15))
    token = invited(client)["token"]
    statuses = [accepted(client, f"vdi_{n}").status_code for n in range(4)]
    assert statuses == [404, 404, 404, 429]
    assert accepted(client, token).status_code == 429


def test_a_short_password_is_refused_before_anything_is_looked_at(client: TestClient) -> None:
    token = invited(client)["token"]
    answers = [accepted(client, each, "short") for each in (token, "vdi_nonsense")]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert accepted(client, token).status_code == 200


def test_a_suspended_organisation_takes_nobody_in(client: TestClient) -> None:
    people.org(client, "acme")
    token = invited(client, {"Vedette-Organisation": "acme"})["token"]
    client.patch("/api/v1/orgs/acme", json={"suspended": True})
    answer = accepted(client, token)
    assert (answer.status_code, answer.json()["code"]) == (403, "organisation-suspended")
    client.patch("/api/v1/orgs/acme", json={"suspended": False})
    assert accepted(client, token).status_code == 200


def test_nothing_but_accepting_is_open(client: TestClient) -> None:
    for method in ("GET", "DELETE", "PATCH"):
        assert client.request(method, f"{INVITATIONS}/accept", headers={"Authorization": ""}).status_code == 401


@both_databases
def test_two_organisations_that_are_joined_at_once_share_one_new_account(client: TestClient) -> None:
    people.org(client, "acme")
    tokens = [invited(client, {"Vedette-Organisation": org})["token"] for org in ("local", "acme")]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda token: accepted(client, token), tokens))
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
    [ann] = client.get("/api/v1/users").json()["items"]
    assert set(ann["orgs"]) == {"local", "acme"}


@both_databases
def test_what_is_made_by_two_at_once_is_made_once_and_the_other_is_told(client: TestClient) -> None:
    for path, body in (
        ("orgs", {"id": "acme", "name": "Acme"}),
        ("users", {"email": EMAIL}),
        ("members", {"email": EMAIL}),
    ):
        with ThreadPoolExecutor(4) as pool:
            asked = pool.map(lambda _, path=path, body=body: client.post(f"/api/v1/{path}", json=body), range(4))
            assert sorted(answer.status_code for answer in asked) == [201, 409, 409, 409], path
