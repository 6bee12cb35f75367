"""Response headers that tell the browser to defend the page. One finding for each endpoint lists all that lack."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import HttpFacts

LEAST_HSTS_S = 15768000  # six months; Mozilla's HTTP Observatory asks for it
_OWASP = ref(
    "OWASP: HTTP security response headers",
    "https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html",
)

HSTS = Rule(
    id="http-hsts",
    title="HTTPS is not made binding (HSTS)",
    severity=Severity.LOW,
    why=(
        "Without Strict-Transport-Security a browser's first request of a visit may go over HTTP, where an attacker on "
        "the path keeps the user (SSL stripping)."
    ),
    fix=(
        'nginx: `add_header Strict-Transport-Security "max-age=31536000" always;` · Apache: `Header always set '
        'Strict-Transport-Security "max-age=31536000"`. Begin with a short max-age; add includeSubDomains when sure.'
    ),
    references=(
        rfc(6797, "HTTP Strict Transport Security (HSTS)"),
        _OWASP,
        cwe(319, "Cleartext Transmission of Sensitive Information"),
    ),
)
HEADERS = Rule(
    id="http-security-headers",
    title="Headers that defend the page are missing",
    severity=Severity.LOW,
    why=(
        "They are the second line when the page has a flaw: they confine injected scripts, forbid framing "
        "(click-jacking), stop the browser from guessing types, and keep addresses of pages from leaking."
    ),
    fix=(
        "nginx: `add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always; add_header "
        "X-Content-Type-Options nosniff always; add_header Referrer-Policy strict-origin-when-cross-origin always;` · "
        "Apache: `Header always set` with the same. Try the policy first as Content-Security-Policy-Report-Only."
    ),
    references=(
        _OWASP,
        ref("MDN: Content Security Policy", "https://developer.mozilla.org/en-US/docs/Web/HTTP/Guides/CSP"),
        cwe(693, "Protection Mechanism Failure"),
        cwe(1021, "Improper Restriction of Rendered UI Layers or Frames"),
    ),
)
_MAX_AGE = re.compile(r"max-age\s*=\s*\"?(\d{1,12})", re.IGNORECASE)


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        yield from _hsts(page)
        yield from _headers(page)


def _hsts(page: Fact[HttpFacts]) -> Iterator[Finding]:
    data = page.data
    if data.scheme != "https" or data.status >= 500 or _is_by_address(data.url):
        return  # RFC 6797, 8.1.1: browsers ignore the header of a host that is an address
    value = data.headers.get("strict-transport-security", "")
    age = _MAX_AGE.search(value)
    if age and int(age[1]) >= LEAST_HSTS_S:
        return
    lacks = f"sets it for {age[1]} s only, less than six months" if age else "does not send Strict-Transport-Security"
    yield HSTS.at(page, f"{data.url} {lacks}.")


def _headers(page: Fact[HttpFacts]) -> Iterator[Finding]:
    if not 200 <= page.data.status < 300 or not _is_html(page.data):
        return
    missing = _missing(page.data.headers)
    if not missing:
        return
    found = HEADERS.at(page, f"{page.data.url} is sent without {', '.join(missing)}.")
    yield found if missing != ["Referrer-Policy"] else found.model_copy(update={"severity": Severity.INFO})


def _missing(headers: dict[str, str]) -> list[str]:
    policy = headers.get("content-security-policy", "").lower()
    lacks = {
        "Content-Security-Policy": not policy,
        "frame-ancestors or X-Frame-Options": "frame-ancestors" not in policy and not headers.get("x-frame-options"),
        "X-Content-Type-Options": "nosniff" not in headers.get("x-content-type-options", "").lower(),
        "Referrer-Policy": not headers.get("referrer-policy"),
    }
    return [name for name, is_missing in lacks.items() if is_missing]


def _is_html(data: HttpFacts) -> bool:
    return data.headers.get("content-type", "text/html").lower().startswith(("text/html", "application/xhtml"))


def _is_by_address(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
