from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from websockets.exceptions import InvalidStatus

from shared.settings import settings
from tests.gateway.auth import people
from tests.gateway.driving import Served
from tests.gateway.talking import Talker, dial

OWN = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin", "Authorization": ""}


@pytest.fixture
def browser(client: TestClient) -> TestClient:
    """A client with the cookie of a user, and without the token."""
    people.user(client, "a@example.org", role="operator")
    body = {"email": "a@example.org", "password": people.PASSWORD}
    answer = client.post("/api/v1/auth/session", json=body, headers=OWN)
    assert answer.status_code == 200, answer.text
    assert answer.json()["refresh_token"] == ""
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    client.headers.pop("Authorization")
    return client


def test_the_cookie_is_enough_to_read(browser: TestClient) -> None:
    assert browser.get("/api/v1/auth/me").json()["actor"] == "user:a@example.org"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}, 204),
        ({"Origin": "http://127.0.0.1"}, 204),
        ({}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:81"}, 403),
        ({"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_what_changes_something_comes_from_our_own_pages(
    browser: TestClient, headers: dict[str, str], status: int
) -> None:
    answer = browser.post("/api/v1/auth/logout", json={}, headers=headers)
    assert answer.status_code == status
    assert browser.get("/api/v1/auth/me").status_code == (401 if status == 204 else 200)


def test_another_site_cannot_log_a_browser_in(client: TestClient) -> None:
    people.user(client, "a@example.org")
    body = {"email": "a@example.org", "password": people.PASSWORD}
    answer = client.post("/api/v1/auth/session", json=body, headers={**OWN, "Origin": "http://evil.example"})
    assert answer.status_code == 403


def test_a_session_that_ended_is_over(browser: TestClient) -> None:
    cookie = {"Cookie": f"vedette={browser.cookies['vedette']}"}
    assert browser.delete("/api/v1/auth/session", headers=OWN).status_code == 204
    browser.cookies.clear()
    assert browser.get("/api/v1/auth/me", headers=cookie).status_code == 401


def test_over_https_the_cookie_is_bound_to_the_host(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    people.user(client, "a@example.org")
    monkeypatch.setenv("VEDETTE_GATEWAY_PUBLIC_URL", "https://vedette.example")
    settings.cache_clear()
    body = {"email": "a@example.org", "password": people.PASSWORD}
    answer = client.post("/api/v1/auth/session", json=body, headers=OWN)
    assert answer.headers["set-cookie"].startswith("__Host-vedette=")
    assert "secure" in answer.headers["set-cookie"].lower()
    token = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    for name, status in (("__Host-vedette", 200), ("vedette", 401)):  # the plain name may be of a neighbour
        cookie = {"Authorization": "", "Cookie": f"{name}={token}"}
        client.cookies.clear()
        assert client.get("/api/v1/auth/me", headers=cookie).status_code == status


@pytest.mark.parametrize("cookie", ["vedette=", "vedette=x", 'vedette="', "=;=;", "__Host-vedette=" + "x" * 3000])
def test_a_cookie_that_is_none_is_refused(client: TestClient, cookie: str) -> None:
    assert client.get("/api/v1/auth/me", headers={"Authorization": "", "Cookie": cookie}).status_code == 401


@pytest.fixture
def cookie(served: Served) -> dict[str, str]:
    """The header with which a browser shows its session to a gateway that runs."""
    http: Any = served.http  # as that of the tests' client, for what is asked here
    people.user(http, "a@example.org", role="operator")
    body = {"email": "a@example.org", "password": people.PASSWORD}
    answer = http.post(
        "/api/v1/auth/session", json=body, headers={"Authorization": "", "Sec-Fetch-Site": "same-origin"}
    )
    return {"Cookie": f"vedette={answer.cookies['vedette']}"}


STRANGE = [
    {},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


def test_a_page_of_another_site_opens_no_socket_with_the_cookie(served: Served, cookie: dict[str, str]) -> None:
    own = str(served.http.base_url).rstrip("/")
    for path in ("/ws", "/ws/system", "/ws/jobs/0000"):
        for told in STRANGE:
            with pytest.raises(InvalidStatus) as refused:
                dial(served, path, cookie | {name: value.replace("{own}", own) for name, value in told.items()})
            assert refused.value.response.status_code == 403, (path, told)


def test_our_own_page_opens_a_socket_with_the_cookie_and_hears_its_organisation(
    served: Served, cookie: dict[str, str]
) -> None:
    talker = Talker(dial(served, headers=cookie | {"Origin": str(served.http.base_url).rstrip("/")}))
    talker.subscribe("jobs")
    talker.wait("snapshot")
    talker.close()
