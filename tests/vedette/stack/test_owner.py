from __future__ import annotations

import stat

import pytest

from tests.vedette.lab import TOKEN, Lab
from vedette.client import Client
from vedette.stack import owner
from vedette.stack.home import layout, write_private


def test_a_fresh_home_gets_an_owner_once(lab: Lab) -> None:
    said: list[str] = []
    where = layout()
    write_private(where.token, TOKEN)
    for _ in range(2):
        owner.ensure(where, lab.url, said.append)
    assert [owner.EMAIL in text for text in said] == [True]
    password = where.owner_password.read_text().strip()
    assert password not in said[0]
    assert stat.S_IMODE(where.owner_password.stat().st_mode) == 0o600
    with Client(lab.url, TOKEN) as client:
        [made] = [user for user in client.users.page().items if user.email == owner.EMAIL]
    assert (made.is_root, made.orgs) == (True, {"local": "owner"})


@pytest.mark.usefixtures("lab")
def test_a_gateway_that_is_away_is_said_and_tried_again_later() -> None:
    said: list[str] = []
    where = layout()
    owner.ensure(where, "http://127.0.0.1:1", said.append)
    assert "was not made" in said[0]
    assert not where.owner_password.exists()
