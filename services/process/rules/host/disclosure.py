"""Servers that state their exact version. Information only: hiding it mends nothing, but it speeds nobody up either."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref
from services.process.rules.host import Service, View
from shared.contracts.finding import Confidence, Finding, Severity
from shared.contracts.kinds.host import HttpFacts

_EXPOSURE = cwe(200, "Exposure of Sensitive Information to an Unauthorized Actor")

WEB = Rule(
    id="http-version-disclosure",
    title="The web server tells its version",
    severity=Severity.INFO,
    confidence=Confidence.LIKELY,
    why="Who searches for servers with a known flaw finds this one by its answer.",
    fix=(
        "nginx: `server_tokens off;` · Apache: `ServerTokens Prod` · PHP: `expose_php = Off` · IIS: "
        "`removeServerHeader`."
    ),
    references=(
        ref(
            "OWASP WSTG: fingerprint web server",
            "https://owasp.org/www-project-web-security-testing-guide/latest/4-Web_Application_Security_Testing/01-Information_Gathering/02-Fingerprint_Web_Server",
        ),
        _EXPOSURE,
    ),
)
MAIL = Rule(
    id="mail-version-disclosure",
    title="The mail server tells its version in its greeting",
    severity=Severity.INFO,
    confidence=Confidence.LIKELY,
    why="Who searches for servers with a known flaw finds this one by its greeting.",
    fix=(
        "Postfix: `smtpd_banner = $myhostname ESMTP` · Exim: `smtp_banner = $smtp_active_hostname ESMTP` · Dovecot: "
        "`login_greeting = Ready.`"
    ),
    references=(ref("Postfix: smtpd_banner", "https://www.postfix.org/postconf.5.html#smtpd_banner"), _EXPOSURE),
)
DNS = Rule(
    id="dns-version-bind",
    title="The DNS server tells its version",
    severity=Severity.INFO,
    confidence=Confidence.LIKELY,
    why="The query `version.bind` in class CHAOS tells everybody which flaws to try.",
    fix='BIND: `options { version "none"; };` · Unbound: `hide-version: yes` · PowerDNS: `version-string=anonymous`.',
    references=(
        ref(
            "BIND 9 manual: version",
            "https://bind9.readthedocs.io/en/latest/reference.html#namedconf-statement-version",
        ),
        _EXPOSURE,
    ),
)
_VERSION = re.compile(r"\d+\.\d+")
_HEADERS = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version", "x-generator")


def judge(view: View) -> Iterator[Finding]:
    for page in view.pages:
        yield from _web(page)
    for service in view.named("smtp", "submission", "imap", "pop3"):
        if service.data.product and service.data.version:
            yield MAIL.at(service, f"The greeting on port {service.data.port} names {service.label}.")
    for service in view.named("dns", "domain"):
        yield from _dns(service)


def _web(page: Fact[HttpFacts]) -> Iterator[Finding]:
    sent = {"server": page.data.server} | page.data.headers
    told = [f"{name}: {sent[name][:120]}" for name in _HEADERS if _VERSION.search(sent.get(name, ""))]
    if told:
        yield WEB.at(page, f"{page.data.url} is sent with {'; '.join(told)}.")


def _dns(service: Service) -> Iterator[Finding]:
    version = service.text("version_bind")
    if _VERSION.search(version):
        yield DNS.at(service, f"version.bind on port {service.data.port} is answered with “{version[:100]}”.")
