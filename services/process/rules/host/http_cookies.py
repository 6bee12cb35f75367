"""Flags of cookies. One finding for each endpoint names every cookie with what it lacks; values are never seen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import HttpFacts

FLAGS = Rule(
    id="http-cookie-flags",
    title="Cookies lack protective flags",
    severity=Severity.LOW,
    why=(
        "Without Secure a cookie is sent over plain HTTP too; without HttpOnly an injected script reads it; "
        "SameSite=None without Secure is dropped by browsers. With a session's cookie goes the session."
    ),
    fix=(
        "`Set-Cookie: __Host-session=...; Path=/; Secure; HttpOnly; SameSite=Lax`. PHP: `session.cookie_secure=1`, "
        "`session.cookie_httponly=1`, `session.cookie_samesite=Lax`; Django: `SESSION_COOKIE_SECURE = True`; nginx in "
        "front of an application: `proxy_cookie_flags ~ secure httponly samesite=lax;`."
    ),
    references=(
        rfc(6265, "HTTP State Management Mechanism"),
        ref(
            "OWASP: session management",
            "https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html",
        ),
        cwe(614, "Sensitive Cookie in HTTPS Session Without 'Secure' Attribute"),
        cwe(1004, "Sensitive Cookie Without 'HttpOnly' Flag"),
    ),
)
_SESSION = re.compile(r"sess|sid$|^sid|auth|token|jwt|login|remember", re.IGNORECASE)
_FOR_SCRIPTS = re.compile(r"csrf|xsrf", re.IGNORECASE)  # scripts echo these on purpose, so HttpOnly would break them


@dataclass(frozen=True)
class _Cookie:
    name: str
    attributes: dict[str, str]

    @property
    def lacks(self) -> list[str]:
        same_site = self.attributes.get("samesite", "").lower()
        lacks = [] if "secure" in self.attributes else ["Secure"]
        if "httponly" not in self.attributes and not _FOR_SCRIPTS.search(self.name):
            lacks.append("HttpOnly")
        if same_site == "none" and "Secure" in lacks:
            lacks.append("Secure with SameSite=None")
        return lacks

    @property
    def is_session(self) -> bool:
        return bool(_SESSION.search(self.name)) and not _FOR_SCRIPTS.search(self.name)


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        yield from _page(page)


def _page(page: Fact[HttpFacts]) -> Iterator[Finding]:
    cookies = [cookie for line in page.data.cookies if (cookie := _parse(line)) and cookie.lacks]
    if not cookies:
        return
    listed = "; ".join(f"{cookie.name} (lacks {', '.join(cookie.lacks)})" for cookie in cookies[:10])
    more = f", and {len(cookies) - 10} more" if len(cookies) > 10 else ""
    found = FLAGS.at(page, f"{page.data.url} sets {listed}{more}.")
    is_session = any(cookie.is_session for cookie in cookies)
    yield found.model_copy(update={"severity": Severity.MEDIUM}) if is_session else found


def _parse(line: str) -> _Cookie | None:
    pair, *attributes = (part.strip() for part in line.split(";"))
    name = pair.partition("=")[0].strip()
    parsed = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in attributes)}
    return _Cookie(name[:80], parsed) if name else None
