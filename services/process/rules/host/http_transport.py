"""Web pages, and logins on them, that travel without encryption."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import Reach, View, reach
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import HttpFacts

BASIC = Rule(
    id="http-basic-auth-cleartext",
    title="A password is asked for over plain HTTP",
    severity=Severity.HIGH,
    why="Basic authentication sends the password, only encoded, with every request: who sits on the path has it.",
    fix=(
        "Serve it over HTTPS only: nginx `listen 443 ssl;` with `ssl_certificate`, and on port 80 `return 301 "
        "https://$host$request_uri;` without any `auth_basic`. Change the passwords that were used."
    ),
    references=(
        rfc(7617, "The 'Basic' HTTP Authentication Scheme, section 4"),
        cwe(523, "Unprotected Transport of Credentials"),
    ),
)
PLAIN = Rule(
    id="http-cleartext",
    title="A web page is served without encryption",
    severity=Severity.LOW,
    why="What is read and entered can be seen and changed on the way, scripts included; browsers mark it not secure.",
    fix=(
        "Serve HTTPS, and redirect: nginx `return 301 https://$host$request_uri;` · Apache `Redirect permanent / "
        "https://NAME/` · Caddy does both by itself."
    ),
    references=(
        ref(
            "OWASP: Transport Layer Security",
            "https://cheatsheetseries.owasp.org/cheatsheets/Transport_Layer_Security_Cheat_Sheet.html",
        ),
        cwe(319, "Cleartext Transmission of Sensitive Information"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        if page.data.scheme == "http":
            yield from _plain(page)


def _plain(page: Fact[HttpFacts]) -> Iterator[Finding]:
    data = page.data
    far = reach(data.address)
    challenge = data.headers.get("www-authenticate", "")
    if data.status == 401 and "basic" in challenge.lower().replace(",", " ").split():
        found = BASIC.at(page, f"{data.url} asks for {challenge[:120]}. {far.note}")
        yield found.model_copy(update={"severity": Severity.LOW}) if far is Reach.LOOPBACK else found
    elif 200 <= data.status < 300:
        found = PLAIN.at(page, f"{data.url} is answered with status {data.status} over plain HTTP. {far.note}")
        yield found.model_copy(update={"severity": Severity.INFO}) if far is Reach.LOOPBACK else found
