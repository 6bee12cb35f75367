from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.notification import endpoint


def test_a_url_is_taken_apart() -> None:
    to = endpoint.parse("HTTPS://User:pw@Bücher.example:8443/a b".replace(" ", "%20") + "?q=1#fragment")
    assert (to.scheme, to.host, to.port) == ("https", "xn--bcher-kva.example", 8443)
    assert to.target == "/a%20b?q=1"
    assert to.authority == "xn--bcher-kva.example:8443"
    assert to.authorization == "Basic VXNlcjpwdw=="


def test_an_ipv6_host_is_bracketed_in_the_host_header() -> None:
    assert endpoint.parse("http://[2606:4700::1111]:81/").authority == "[2606:4700::1111]:81"


def test_the_secret_parts_are_not_in_the_repr() -> None:
    shown = repr(endpoint.parse("https://u:password@x.example/secret?token=1"))
    assert "secret" not in shown
    assert "Basic" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https://x.example:0/",
        "https://x.example:99999/",
        "https://x.example:port/",
        "https://[::1",
        "https://exa mple/",
        "https://x.example/\r\nX-Injected: 1",
        "https://x.example/\x00",
        "https://-x-.example-/",
        "https://1.2.3/",
        "ftp://x.example/",
        "x.example",
        "",
    ],
)
def test_a_url_that_no_request_can_be_made_of_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(endpoint.MalformedURL) as caught:
        endpoint.parse(url)
    assert "x.example" not in caught.value.message


@given(st.text())
def test_any_text_is_parsed_or_refused(url: str) -> None:
    try:
        to = endpoint.parse(url)
    except InvalidInput:
        return
    assert to.target.isascii()
