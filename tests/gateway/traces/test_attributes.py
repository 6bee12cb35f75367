"""No secret is in what is shown of a span."""

from __future__ import annotations

import pytest

from gateway.traces.attributes import LONGEST, plain, shown


@pytest.mark.parametrize(
    "name",
    [
        *("http.request.header.authorization", "http.request.header.cookie", "db.password", "url.query"),
        *("vedette.token", "api_key", "x-signature", "client_secret"),
    ],
)
def test_what_is_a_secret_by_its_name_is_left_out(name: str) -> None:
    assert shown({name: "canary", "url.path": "/api"}) == {"url.path": "/api"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://ann:canary@example.org/a?key=canary", "https://***@example.org/a?key=***"),
        ("see redis://:canary@127.0.0.1:6379/0 there", "see redis://***@127.0.0.1:6379/0 there"),
        ("Authorization: Bearer canary.canary", "Authorization: ***"),
        ("key vdt_abc_canary_canary failed", "key vdt_abc*** failed"),
        ("GET /a", "GET /a"),
    ],
)
def test_what_is_in_a_text_is_cut_out_of_it(text: str, left: str) -> None:
    assert plain(text) == left
    assert shown({"a": [text, 1]}) == {"a": [left, 1]}


def test_a_value_is_bounded() -> None:
    assert len(plain("x" * 5000)) == LONGEST


def test_a_secret_that_a_cut_goes_through_is_not_shown() -> None:
    for before in range(LONGEST - 25, LONGEST):
        assert "can" not in plain(f"{'x' * before} https://ann:canary@example.org/ {'y' * 3000}")
