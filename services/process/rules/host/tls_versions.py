"""Protocol versions of TLS that an endpoint accepts."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import TlsFacts

_FIX = (
    "nginx: `ssl_protocols TLSv1.2 TLSv1.3;` · Apache: `SSLProtocol -all +TLSv1.2 +TLSv1.3` · Postfix: "
    "`smtpd_tls_protocols = >=TLSv1.2` · Dovecot: `ssl_min_protocol = TLSv1.2` · HAProxy: "
    "`ssl-default-bind-options ssl-min-ver TLSv1.2`; then reload."
)
_MOZILLA = ref("Mozilla: server side TLS", "https://wiki.mozilla.org/Security/Server_Side_TLS")

OLD = Rule(
    id="tls-obsolete-version",
    title="Obsolete TLS versions are accepted",
    severity=Severity.MEDIUM,
    why=(
        "TLS 1.0 and 1.1 build on MD5 and SHA-1 and lack authenticated encryption; SSL is broken (POODLE, DROWN). RFC "
        "8996 forbids to negotiate them, and PCI DSS counts them as no encryption."
    ),
    fix=_FIX,
    references=(rfc(8996, "Deprecating TLS 1.0 and TLS 1.1"), _MOZILLA, cwe(326, "Inadequate Encryption Strength")),
)
NO_MODERN = Rule(
    id="tls-no-modern-version",
    title="Neither TLS 1.2 nor TLS 1.3 is offered",
    severity=Severity.HIGH,
    why=(
        "Current browsers and libraries refuse the connection, and those that accept it get a protocol without sound "
        "encryption (RFC 8996)."
    ),
    fix=f"Upgrade the server and its TLS library (OpenSSL 1.0.1 brought TLS 1.2, 1.1.1 brought 1.3). {_FIX}",
    references=(
        rfc(8996, "Deprecating TLS 1.0 and TLS 1.1"),
        rfc(9325, "Recommendations for Secure Use of TLS and DTLS"),
        cwe(326, "Inadequate Encryption Strength"),
    ),
)
_OLD = {"ssl2": "SSL 2.0", "ssl3": "SSL 3.0", "tls1": "TLS 1.0", "tls1.0": "TLS 1.0", "tls1.1": "TLS 1.1"}
_MODERN = {"tls1.2", "tls1.3"}


def judge(view: View) -> Iterator[Finding]:
    for endpoint in view.tls:
        yield from _versions(endpoint)


def _versions(endpoint: Fact[TlsFacts]) -> Iterator[Finding]:
    spoken = {_short(version) for version in (*endpoint.data.accepted, endpoint.data.version)}
    old = sorted({_OLD[version] for version in spoken if version in _OLD})
    if not old:
        return
    what = f"The TLS endpoint on port {endpoint.data.port} accepts {', '.join(old)}"
    if not spoken & _MODERN:
        yield NO_MODERN.at(endpoint, f"{what} and nothing newer.")
        return
    found = OLD.at(endpoint, f"{what}.")
    is_ssl = any(version.startswith("SSL") for version in old)
    yield found.model_copy(update={"severity": Severity.HIGH}) if is_ssl else found


def _short(version: str) -> str:
    """Return `tls1.2` for TLSv1.2, TLS 1.2, TLSv1_2; `ssl3` for SSLv3, SSL 3.0."""
    short = version.lower().replace(" ", "").replace("v", "").replace("_", ".")
    return short.removesuffix(".0") if short.startswith("ssl") else short
