"""Log-ins of the command line: kept in a private file, renewed by one process at a time, ended for good."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.contracts.access import OrgChange, OrgNew, UserNew
from tests.vedette.lab import ROOT, TOKEN, Lab, Ran, Vedette
from tests.vedette.terminal import Terminals, until
from vedette.cli import contexts
from vedette.client import Client

EMAIL = "dora@example.org"
PASSWORD = "correct horse battery staple"
Typed = Callable[..., Ran]


@pytest.fixture
def typed(lab: Lab, vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Run a command with a text on stdin, as somebody who knows no token."""
    with Client(lab.url, TOKEN) as client:
        if EMAIL not in [user.email for user in client.users.page(limit=200).items]:
            asked = {"email": EMAIL, "password": PASSWORD, "org": "local", "role": "operator"}
            client.users.create(UserNew.model_validate(asked))
    monkeypatch.delenv("VEDETTE_URL")
    monkeypatch.delenv("VEDETTE_TOKEN")

    def run(text: str, *arguments: str) -> Ran:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        return vedette(*arguments)

    return run


@pytest.fixture
def logged_in(lab: Lab, typed: Typed) -> str:
    """The name of the context."""
    ran = typed(f"{PASSWORD}\n", "login", lab.url, "--email", EMAIL, "--password-stdin")
    assert ran.code == 0, ran.err
    return f"127.0.0.1:{lab.port}"


def config(tmp_path: Path) -> Path:
    return tmp_path / "config/vedette/contexts.json"


def test_after_a_log_in_commands_go_to_that_gateway_as_that_user(
    logged_in: str, lab: Lab, vedette: Vedette, tmp_path: Path
) -> None:
    ran = vedette("whoami")
    assert (ran.code, ran.out) == (0, f"user:{EMAIL} in local (operator) at {lab.url}\n")
    assert f"context {logged_in}" in ran.err
    assert vedette("jobs", "list").code == 0
    assert vedette("users", "list").code == 4
    assert stat.S_IMODE(config(tmp_path).stat().st_mode) == 0o600
    assert PASSWORD not in config(tmp_path).read_text()
    assert vedette("context", "current").out.strip() == logged_in
    listed = vedette("context", "list", "-o", "json").out
    assert [each["name"] for each in json.loads(listed)] == [logged_in]
    assert contexts.read().contexts[logged_in].token not in listed + repr(contexts.read())


def test_a_url_of_the_environment_wins_over_the_context(
    logged_in: str, lab: Lab, vedette: Vedette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_URL", lab.url)
    monkeypatch.setenv("VEDETTE_TOKEN", TOKEN)
    assert vedette("whoami").out.startswith("token ")
    assert vedette("whoami", "--context", logged_in).out.startswith(f"user:{EMAIL}")
    assert vedette("whoami", "--context", logged_in, "--url", lab.url).code == 2
    assert vedette("whoami", "--context", "elsewhere").code == 5


def test_a_log_out_ends_the_log_in_at_the_gateway(logged_in: str, lab: Lab, vedette: Vedette) -> None:
    old = contexts.read().contexts[logged_in]
    assert vedette("logout").code == 0
    assert contexts.read().contexts == {}
    contexts.keep("old", replace(old, until=1.0), use=True)
    ran = vedette("whoami")
    assert (ran.code, f"vedette login {lab.url}" in ran.err) == (4, True)


@pytest.mark.usefixtures("lab")
def test_a_gateway_that_is_away_can_be_left(vedette: Vedette, logged_in: str) -> None:
    contexts.keep("away", replace(contexts.read().contexts[logged_in], url="http://127.0.0.1:1"), use=True)
    ran = vedette("whoami")
    assert ran.code == 8
    assert "vedette logout" in ran.err


def test_a_wrong_password_and_a_missing_one_are_told_apart(lab: Lab, typed: Typed) -> None:
    wrong = typed("wrong password\n", "login", lab.url, "--email", EMAIL, "--password-stdin")
    assert wrong.code == 4
    assert "fix: Try again" in wrong.err
    missing = typed("", "login", lab.url, "--email", EMAIL)
    assert (missing.code, "--password-stdin" in missing.err) == (2, True)
    assert typed("", "login", lab.url).code == 2
    assert contexts.read().contexts == {}


def test_whoever_is_invited_logs_in_by_the_invitation(lab: Lab, typed: Typed, vedette: Vedette) -> None:
    root = ("--url", lab.url, "--token", TOKEN)
    made = vedette("orgs", "members", "invite", "fay@example.org", "--role", "operator", *root)
    token = made.out.strip()
    assert (made.code, token in made.err, f"vedette login {lab.url} --invitation" in made.err) == (0, False, True)
    log_in = ("login", lab.url, "--invitation", "--password-stdin", "--name", "fay")
    short = typed(f"{token}\nshort\n", *log_in)
    assert (short.code, "at least 12 characters" in short.err) == (2, True)
    ran = typed(f"{token}\n{PASSWORD}\n", *log_in)
    assert (ran.code, "as fay@example.org (local)" in ran.err) == (0, True), ran.err
    assert vedette("whoami").out.startswith("user:fay@example.org in local (operator)")
    again = typed(f"{token}\n{PASSWORD}\n", *log_in)
    assert (again.code, "fix: Ask for a new one." in again.err) == (5, True)
    assert typed("", "login", lab.url, "--invitation").code == 2
    assert typed("", *log_in, "--email", "fay@example.org").code == 2
    assert typed("", "login", lab.url, "--invitation", "--token-stdin").code == 2


def test_whoever_has_an_account_is_invited_by_its_password_alone(lab: Lab, typed: Typed, vedette: Vedette) -> None:
    root = ("--url", lab.url, "--token", TOKEN)
    with Client(lab.url, TOKEN) as client:
        client.orgs.create(OrgNew(id="club", name="Club"))
    made = json.loads(vedette("orgs", "members", "invite", EMAIL, "--org", "club", "-o", "json", *root).out)
    token = made["token"]
    log_in = ("login", lab.url, "--invitation", "--password-stdin")
    wrong = typed(f"{token}\nsome other password\n", *log_in)
    assert (wrong.code, "fix: Try again" in wrong.err) == (4, True)
    assert typed(f"{token}\n{PASSWORD}\n", *log_in).code == 0
    assert vedette("whoami").out.startswith(f"user:{EMAIL} in club (viewer)")


def test_at_a_terminal_an_invitation_is_asked_for_and_shown_nowhere(
    lab: Lab, typed: Typed, vedette: Vedette, terminals: Terminals
) -> None:
    root = ("--url", lab.url, "--token", TOKEN)
    token = vedette("orgs", "members", "invite", "ida@example.org", *root).out.strip()
    _, screen = terminals.run(100, "login", lab.url, "--invitation", "--name", "ida")
    said = ""
    for asked, answer in (("Invitation: ", token), ("Password: ", PASSWORD), ("Password again: ", PASSWORD)):
        said += until(screen, asked)
        terminals.type(screen, f"{answer}\n")
    said += until(screen, "as ida@example.org (local)")
    assert token not in said
    assert PASSWORD not in said
    assert vedette("whoami", "--context", "ida").out.startswith("user:ida@example.org in local (viewer)")


def test_an_organisation_that_one_is_not_in_is_not_found(logged_in: str, typed: Typed, vedette: Vedette) -> None:
    ran = vedette("orgs", "use", "nope")
    assert (ran.code, "vedette orgs list" in ran.err) == (5, True)
    assert vedette("orgs", "get", "nope").code == 5


def test_who_may_not_know_who_has_an_account_is_told_to_invite(logged_in: str, vedette: Vedette) -> None:
    ran = vedette("orgs", "members", "add", "ann@example.org")
    assert (ran.code, "fix: Invite them: vedette orgs members invite EMAIL" in ran.err) == (4, True)


def test_the_token_acts_in_the_organisation_of_org_and_a_user_does_not(
    logged_in: str, lab: Lab, vedette: Vedette, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(lab.url, TOKEN) as client:
        client.orgs.create(OrgNew(id="shop", name="Shop"))
    refused = vedette("jobs", "list", "--org", "shop")
    assert (refused.code, "vedette orgs use ORG" in refused.err) == (4, True)
    assert vedette("jobs", "list", "--org", "Not a slug").code == 2
    monkeypatch.setenv("VEDETTE_URL", lab.url)
    monkeypatch.setenv("VEDETTE_TOKEN", TOKEN)
    assert vedette("--org", "shop", "whoami").out.startswith("token in shop")
    assert vedette("whoami", "--org", "nope").code == 5
    made = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--org", "shop", "-o", "id").out.strip()
    assert vedette("jobs", "get", made).code == 5
    assert vedette("jobs", "get", made, "--org", "shop").code == 0


def test_a_suspended_organisation_says_so_and_lets_the_same_log_in_go_on_later(
    logged_in: str, typed: Typed, vedette: Vedette, lab: Lab
) -> None:
    with Client(lab.url, TOKEN) as client:
        client.orgs.create(OrgNew(id="closed", name="Closed"))
        client.users.create(UserNew.model_validate({"email": "eve@example.org", "password": PASSWORD, "org": "closed"}))
        log_in = ("login", lab.url, "--email", "eve@example.org", "--password-stdin", "--name", "eve")
        assert typed(f"{PASSWORD}\n", *log_in).code == 0
        client.orgs.change("closed", OrgChange(suspended=True))
        kept = contexts.read().contexts["eve"]
        for until in (kept.until, 1.0):
            contexts.keep("eve", replace(kept, until=until))
            ran = vedette("jobs", "list")
            assert (ran.code, "The organisation closed is suspended." in ran.err) == (4, True)
        assert "is suspended." in typed(f"{PASSWORD}\n", *log_in).err
        client.orgs.change("closed", OrgChange(suspended=False))
    assert vedette("whoami").out.startswith("user:eve@example.org in closed")


def test_somebody_changes_their_own_password_and_stays_logged_in(
    logged_in: str, typed: Typed, vedette: Vedette, lab: Lab
) -> None:
    new = "an even longer password"
    wrong = typed(f"not it\n{new}\n", "users", "password", "--password-stdin")
    assert (wrong.code, "The current password is wrong." in wrong.err) == (4, True)
    short = typed(f"{PASSWORD}\nshort\n", "users", "password", "--password-stdin")
    assert (short.code, "at least 12 characters" in short.err) == (2, True)
    assert typed(f"{PASSWORD}\n{new}\n", "users", "password", "--password-stdin").code == 0
    assert vedette("whoami", "--context", logged_in).code == 0
    assert typed(f"{PASSWORD}\n", "login", lab.url, "--email", EMAIL, "--password-stdin").code == 4
    assert typed(f"{new}\n{PASSWORD}\n", "users", "password", "--password-stdin").code == 0
    assert typed("", "users", "password").code == 2


def test_the_installations_token_has_no_password_to_change(typed: Typed, lab: Lab) -> None:
    both = f"{PASSWORD}\n{PASSWORD}2\n"
    ran = typed(both, "users", "password", "--password-stdin", "--url", lab.url, "--token", TOKEN)
    assert (ran.code, "fix: Log in: vedette login" in ran.err) == (4, True)


def test_a_token_on_stdin_is_a_log_in_too(lab: Lab, typed: Typed, vedette: Vedette) -> None:
    assert typed(f"{TOKEN}\n", "login", lab.url, "--token-stdin", "--name", "mine").code == 0
    assert vedette("whoami").out.startswith("token in local")
    assert vedette("orgs", "use", "acme").code == 2
    assert vedette("context", "remove", "mine").code == 0
    assert vedette("context", "current").code == 5


def test_processes_that_renew_at_once_do_not_end_the_log_in(logged_in: str, vedette: Vedette, tmp_path: Path) -> None:
    contexts.keep(logged_in, replace(contexts.read().contexts[logged_in], until=1.0))
    command = [sys.executable, "-c", "from vedette.cli import main; main(['whoami'])"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    assert [EMAIL.encode() in process.communicate(timeout=60)[0] for process in started] == [True] * 3
    assert contexts.read().contexts[logged_in].until > 1.0
    assert vedette("whoami").code == 0
