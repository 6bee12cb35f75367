"""What is shown of a destination: never its user, password, query or the greater part of its path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.redaction import shown, veiled

SECRET = "hunter2"
ANY = some.text(max_size=12)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://u:p@hooks.example/T0/secret?x=1", "https://hooks.example/T0…"),
        ("https://hooks.example", "https://hooks.example"),
        ("https://hooks.example:8443/", "https://hooks.example:8443/"),
        ("http://[2001:db8::1]:80/a", "http://[2001:db8::1]:80/a"),
        ("mailto:ann@example.org", "mailto:a…@example.org"),
        ("mailto:ann@example.org?subject=secret", "mailto:a…@example.org"),
        ("mailto:secret", "mailto:…"),
        ("https://h:port/", "…"),
        ("", "…"),
        ("hunter2hunter2", "…"),
        ("slack:T000/B000/secret", "slack:…"),
    ],
)
def test_what_is_left_lets_one_know_it_again(url: str, expected: str) -> None:
    assert shown(url) == expected


@given(user=some.sampled_from(["", "ann"]), before=ANY, after=ANY, query=ANY)
def test_no_password_and_no_query_is_ever_shown(user: str, before: str, after: str, query: str) -> None:
    secret = f"{before}{SECRET}{after}".replace("/", "").replace("?", "").replace("#", "").replace("\\", "")
    assert SECRET not in shown(f"https://{user}:{secret}@hooks.example/a?{query}{SECRET}#{SECRET}")


@given(scheme=some.sampled_from(["https:", "https:/", "mailto:", "x:"]), rest=ANY)
def test_what_has_no_host_shows_nothing_but_its_scheme(scheme: str, rest: str) -> None:
    assert SECRET not in shown(f"{scheme}{rest}{SECRET}:pw@h".replace("//", "/"))


@given(url=some.text(max_size=60) | some.text(alphabet="htps:/@?#[].%1a\n\ud800", max_size=30))
def test_any_text_can_be_shown_on_one_line(url: str) -> None:
    assert shown(url).isprintable()


def test_destinations_at_any_depth_are_veiled_and_nothing_else() -> None:
    given = {"how": {"changes": {"notify": ["https://h.example/secret", 5], "ports": "1-9"}}, "all": [{"notify": "x"}]}
    assert veiled(given) == {
        "how": {"changes": {"notify": ["https://h.example/se…", "…"], "ports": "1-9"}},
        "all": [{"notify": ["…"]}],
    }
