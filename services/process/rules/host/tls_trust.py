"""Whether a client can believe a certificate: who signed it, for which name, and for how long."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import View, aware
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import CertificateFacts, TlsFacts

WARN = timedelta(days=30)  # Let's Encrypt renews with 30 days left; less means that renewal failed
URGENT = timedelta(days=7)
_RFC5280 = rfc(5280, "Internet X.509 PKI Certificate and CRL Profile")
_CHAIN = re.compile(
    r"certificate|issuer|chain|signature|\bca\b|\bkey\b|trust"
)  # OpenSSL's X509_verify_cert_error_string
_VALIDATION = cwe(295, "Improper Certificate Validation")
_RENEW = (
    "Renew it and reload the server: `certbot renew --deploy-hook 'systemctl reload nginx'`. Then find out why renewal "
    "did not run by itself: `systemctl list-timers | grep certbot`."
)

EXPIRED = Rule(
    id="tls-certificate-expired",
    title="The certificate has expired",
    severity=Severity.HIGH,
    why="Clients refuse the connection, or their users learn to click warnings away, which is what an attacker needs.",
    fix=_RENEW,
    references=(_RFC5280, cwe(298, "Improper Validation of Certificate Expiration")),
)
EXPIRING = Rule(
    id="tls-certificate-expiring",
    title="The certificate expires soon",
    severity=Severity.LOW,
    why="On that day clients begin to refuse the connection. Automatic renewal should have replaced it by now.",
    fix=_RENEW,
    references=(_RFC5280, ref("Let's Encrypt: when to renew", "https://letsencrypt.org/docs/faq/")),
)
FUTURE = Rule(
    id="tls-certificate-not-yet-valid",
    title="The certificate is not valid yet",
    severity=Severity.HIGH,
    why="Clients refuse the connection. Either the certificate was installed too early, or a clock is wrong.",
    fix="Check the clocks (`timedatectl`, `chronyc tracking`); if they are right, put the former certificate back.",
    references=(_RFC5280, _VALIDATION),
)
SELF_SIGNED = Rule(
    id="tls-certificate-self-signed",
    title="The certificate is signed by itself",
    severity=Severity.MEDIUM,
    why="No client can tell it from one that an attacker on the path made a minute ago, unless it was pinned by hand.",
    fix=(
        "Get one from a public authority (`certbot --nginx -d NAME`), or from your own, whose root your clients trust "
        "(`step ca certificate NAME server.crt server.key`)."
    ),
    references=(rfc(9325, "Recommendations for Secure Use of TLS and DTLS"), _VALIDATION),
)
UNTRUSTED = Rule(
    id="tls-certificate-untrusted",
    title="The certificate's chain is not trusted",
    severity=Severity.MEDIUM,
    why=(
        "The chain does not lead to a root that the scanner's system trusts: an intermediate is missing, or the "
        "authority is private or distrusted. Clients that do not know it refuse, or are taught not to check."
    ),
    fix=(
        "Serve the whole chain (nginx: `ssl_certificate fullchain.pem;`) and check it: `openssl s_client -connect "
        "HOST:PORT -servername NAME -verify_return_error`. With a private authority, install its root on every client."
    ),
    references=(_RFC5280, _VALIDATION),
)
MISMATCH = Rule(
    id="tls-name-mismatch",
    title="The certificate is for another name",
    severity=Severity.MEDIUM,
    why="Clients refuse the connection, or have checking switched off; then any certificate of anybody will do.",
    fix="Get a certificate with this name in its subjectAltName: `certbot certonly -d NAME`; or use the name it has.",
    references=(
        rfc(9525, "Service Identity in TLS"),
        cwe(297, "Improper Validation of Certificate with Host Mismatch"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for endpoint in view.tls:
        if endpoint.data.chain:
            leaf = endpoint.data.chain[0]
            period = list(_period(endpoint, leaf, view.at))
            yield from period
            yield from _signer(endpoint, leaf, is_current=not period or period[0].rule == EXPIRING.id)
            yield from _name(endpoint, leaf)


def _period(endpoint: Fact[TlsFacts], leaf: CertificateFacts, at: datetime) -> Iterator[Finding]:
    start, end = aware(leaf.not_before), aware(leaf.not_after)
    if at > end:
        yield EXPIRED.at(endpoint, f"{_of(endpoint, leaf)} expired on {end:%Y-%m-%d}, {_days(at - end)} ago.")
    elif at < start:
        yield FUTURE.at(endpoint, f"{_of(endpoint, leaf)} is valid from {start:%Y-%m-%d}, in {_days(start - at)}.")
    elif end - at < WARN:
        found = EXPIRING.at(endpoint, f"{_of(endpoint, leaf)} expires on {end:%Y-%m-%d}, in {_days(end - at)}.")
        yield found.model_copy(update={"severity": Severity.MEDIUM}) if end - at < URGENT else found


def _signer(endpoint: Fact[TlsFacts], leaf: CertificateFacts, *, is_current: bool) -> Iterator[Finding]:
    """One finding at most: an expired or self-signed certificate is untrusted anyway."""
    data = endpoint.data
    if leaf.is_self_signed and not data.is_trusted:
        found = SELF_SIGNED.at(endpoint, f"{_of(endpoint, leaf)} is signed by its own key.")
        # RFC 7435: between mail servers encryption is opportunistic, and a chain is seldom checked.
        yield found.model_copy(update={"severity": Severity.LOW}) if data.starttls == "smtp" else found
    elif is_current and not data.is_trusted and _is_verdict(data.trust_error):
        yield UNTRUSTED.at(endpoint, f"{_of(endpoint, leaf)}, issued by {leaf.issuer}: {data.trust_error}.")


def _name(endpoint: Fact[TlsFacts], leaf: CertificateFacts) -> Iterator[Finding]:
    data = endpoint.data
    if data.name_matches is not False or not data.name_checked or (leaf.is_self_signed and not data.is_trusted):
        return
    names = ", ".join(leaf.names[:5]) or "none"
    found = MISMATCH.at(endpoint, f"{_of(endpoint, leaf)} has the names {names}; it was asked for {data.name_checked}.")
    if _is_address(data.name_checked):
        # Public certificates carry names; that the scan went by address is no mistake of the server.
        found = found.model_copy(update={"severity": Severity.INFO})
    yield found


def _of(endpoint: Fact[TlsFacts], leaf: CertificateFacts) -> str:
    return f"The certificate {leaf.subject or leaf.sha256[:16]} on port {endpoint.data.port}"


def _days(span: timedelta) -> str:
    return "1 day" if span.days == 1 else f"{span.days} days" if span.days else "less than a day"


def _is_verdict(trust_error: str) -> bool:
    """Whether the chain was judged and refused. A handshake that failed for another reason judged nothing."""
    text = trust_error.lower()
    return bool(_CHAIN.search(text)) and not text.startswith("no tls handshake") and "mismatch" not in text


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
