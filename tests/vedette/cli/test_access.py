"""Users, organisations, members and keys, through the real command line and gateway."""

from __future__ import annotations

import json

import pytest

from tests.vedette.lab import Lab, Vedette
from vedette.client import Client

pytestmark = pytest.mark.usefixtures("lab")


def test_a_user_is_made_listed_kept_out_and_given_a_new_password(vedette: Vedette) -> None:
    made = vedette("users", "create", "Ann@example.org", "--role", "admin")
    assert made.code == 0, made.err
    password = made.out.splitlines()[-1]
    assert len(password) >= 12
    listed = json.loads(vedette("users", "list", "-o", "json").out)
    [ann] = [user for user in listed if user["email"] == "ann@example.org"]
    assert (ann["orgs"], ann["password"]) == ({"local": "admin"}, "")
    assert vedette("users", "create", "ann@example.org").code == 6
    assert json.loads(vedette("users", "disable", "ann@example.org", "-o", "json").out)["disabled_at"]
    assert vedette("users", "disable", "ann@example.org", "--undo").code == 0
    assert vedette("users", "password", "ann@example.org").out.splitlines()[-1] != password
    assert vedette("users", "disable", "nobody@example.org").code == 5
    wrong = vedette("users", "create", "not-an-address")
    assert wrong.code == 2
    assert "email: it must be an address, as in ann@example.org." in wrong.err


def test_an_organisation_has_members_with_roles(vedette: Vedette) -> None:
    assert vedette("users", "create", "bob@example.org", "--org", "local").code == 0
    assert vedette("orgs", "members", "role", "bob@example.org", "operator").code == 0
    members = json.loads(vedette("orgs", "members", "list", "-o", "json").out)
    assert [member["role"] for member in members if member["email"] == "bob@example.org"] == ["operator"]
    assert vedette("orgs", "members", "remove", "bob@example.org").code == 0
    assert vedette("orgs", "members", "add", "bob@example.org", "--role", "viewer").code == 0
    assert vedette("orgs", "members", "remove", "carol@example.org").code == 5


def test_an_invitation_is_listed_without_its_token_and_ended(vedette: Vedette) -> None:
    for email in ("gus@example.org", "hal@example.org"):
        made = vedette("orgs", "members", "invite", email, "--days", "1")
        assert (made.code, made.out.startswith("vdi_")) == (0, True), made.err
    listed = vedette("orgs", "members", "invitations", "-o", "json").out
    assert made.out.strip() not in listed
    hal, gus = json.loads(listed)[:2]
    assert [hal["email"], gus["email"], gus["role"]] == ["hal@example.org", "gus@example.org", "viewer"]
    for which in (hal["id"][-8:], "Gus@example.org"):
        [ended] = json.loads(vedette("orgs", "members", "uninvite", which, "-o", "json").out)
        assert ended["revoked_at"]
    assert vedette("orgs", "members", "uninvite", "gus@example.org").code == 5
    assert vedette("orgs", "members", "uninvite", "not an id").code == 2
    assert vedette("orgs", "members", "invite", "not-an-address").code == 2


def test_an_organisation_is_made_renamed_and_suspended(vedette: Vedette) -> None:
    assert vedette("orgs", "create", "acme", "--name", "Acme").code == 0
    assert vedette("orgs", "create", "acme").code == 6
    assert "acme" in vedette("orgs", "list", "-o", "id").out.split()
    wrong = vedette("orgs", "create", "Not a slug")
    assert wrong.code == 2
    assert "id: it must be a-z, 0-9 and hyphens" in wrong.err


def test_a_key_opens_the_door_until_it_is_revoked(lab: Lab, vedette: Vedette) -> None:
    made = vedette("keys", "create", "ci", "--role", "viewer", "--days", "1")
    secret = made.out.strip()
    assert secret.startswith("vdt_")
    assert secret not in made.err
    with Client(lab.url, secret) as client:
        assert client.login.me().role == "viewer"
    listed = vedette("keys", "list", "-o", "json").out
    assert secret not in listed
    [key] = [one for one in json.loads(listed) if one["name"] == "ci"]
    rotated = vedette("keys", "rotate", key["id"][-8:])
    assert rotated.out.strip() not in {secret, ""}
    assert vedette("keys", "revoke", key["id"][-8:]).code == 0
    assert vedette("jobs", "list", "--token", secret, "--url", lab.url).code == 4
