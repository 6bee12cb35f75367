from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.process.judge import judge
from shared.contracts.finding import Finding
from shared.contracts.observation import Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)
HSTS = "strict-transport-security"


def judged(*, headers: dict[str, str] | None = None, **change: Any) -> dict[str, Finding]:
    data = {"address": "10.0.0.5", "port": 443, "scheme": "https", "url": "https://a.example.org/", "status": 200}
    data |= {"headers": headers or {}, **change}
    seen = Observation(type="http", subject="tcp/10.0.0.5:443", data=data, observed_at=AT)
    return {finding.rule: finding for finding in judge("host", [seen], AT)}


def test_all_missing_headers_are_one_finding() -> None:
    what = judged()["http-security-headers"].what
    assert all(name in what for name in ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options"))


def test_a_missing_referrer_policy_alone_is_information() -> None:
    headers = {"content-security-policy": "frame-ancestors 'self'", "x-content-type-options": "nosniff"}
    assert judged(headers=headers)["http-security-headers"].severity == "info"


@pytest.mark.parametrize("change", [{"status": 404}, {"status": 301}, {"headers": {"content-type": "text/css"}}])
def test_headers_that_defend_pages_are_not_asked_of_other_answers(change: dict[str, Any]) -> None:
    assert "http-security-headers" not in judged(**change)


@pytest.mark.parametrize("value", ["", "max-age=0", "max-age=86400", "nonsense"])
def test_hsts_below_six_months_does_not_count(value: str) -> None:
    assert "http-hsts" in judged(headers={HSTS: value})


def test_hsts_is_not_asked_of_an_address() -> None:
    assert "http-hsts" not in judged(url="https://10.0.0.5/")
    assert "http-hsts" not in judged(url="https://[::1]:8443/")


@pytest.mark.parametrize(
    ("cookie", "severity"),
    [
        ("PHPSESSID=; path=/", "medium"),
        ("theme=; path=/", "low"),
        ("csrftoken=; Secure", None),
        ("", None),
        ("=;", None),
    ],
)
def test_a_sessions_cookie_weighs_more_and_a_csrf_token_may_be_read(cookie: str, severity: str | None) -> None:
    found = judged(cookies=[cookie]).get("http-cookie-flags")
    assert (found.severity if found else None) == severity


def test_many_cookies_are_one_finding_that_says_how_many_more() -> None:
    assert judged(cookies=[f"c{n}=" for n in range(13)])["http-cookie-flags"].what.endswith("and 3 more.")


def test_digest_over_http_is_no_basic_login() -> None:
    headers = {"www-authenticate": 'Digest realm="basics"'}
    assert "http-basic-auth-cleartext" not in judged(scheme="http", status=401, headers=headers)
