"""Each rule fires on a sample that has its weakness, and is silent on one that nearly has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.process.catalogue import rules
from services.process.judge import judge
from shared.contracts.finding import Finding
from shared.contracts.observation import Evidence, Observation

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUBLIC, PRIVATE, LOOPBACK = "93.184.216.34", "10.0.0.5", "127.0.0.1"  # judged, never contacted


def seen(kind: str, evidence: str = "", **data: Any) -> Observation:
    data = {"address": PUBLIC, "port": 4000, **data}
    proof = [Evidence(source="banner", text=evidence or "raw")]
    subject = f"tcp/{data['address']}:{data['port']}"
    return Observation(type=kind, subject=subject, data=data, evidence=proof, observed_at=AT)


def service(name: str, *, tls: bool = False, product: str = "", version: str = "", **details: Any) -> Observation:
    return seen("service", name=name, tls=tls, product=product, version=version, details=details)


def page(scheme: str = "https", evidence: str = "", **data: Any) -> Observation:
    headers = data.pop("headers", {})
    url = data.pop("url", f"{scheme}://shop.example.org/")
    answer = {"scheme": scheme, "url": url, "status": 200, "headers": headers, "server": headers.get("server", "")}
    return seen("http", evidence, **{**answer, **data})


def certificate(**change: Any) -> dict[str, Any]:
    return {
        "subject": "CN=shop.example.org",
        "issuer": "CN=R11,O=Let's Encrypt,C=US",
        "names": ["shop.example.org"],
        "serial": "1",
        "not_before": (AT - timedelta(days=20)).isoformat(),
        "not_after": (AT + timedelta(days=70)).isoformat(),
        "key_type": "ec secp256r1",
        "key_bits": 256,
        "signature_hash": "sha256",
        "sha256": "ab" * 32,
        **change,
    }


def tls(*chain: dict[str, Any], **change: Any) -> Observation:
    good = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "cipher_bits": 256, "is_trusted": True}
    good |= {"accepted": ["TLSv1.2", "TLSv1.3"], "refused": ["TLSv1", "TLSv1.1"]}
    good |= {"name_checked": "shop.example.org", "name_matches": True, "chain": list(chain) or [certificate()]}
    return seen("tls", **{**good, **change})


def days(count: int) -> str:
    return (AT + timedelta(days=count)).isoformat()


GOOD_HEADERS = {
    "content-security-policy": "default-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
}
SSH: dict[str, Any] = {
    "protocol": "2.0",
    "kex": ["curve25519-sha256"],
    "ciphers": ["aes256-gcm@openssh.com"],
    "host_keys": ["ssh-ed25519"],
}
SEARCH = '{"name":"n1","tagline":"You Know, for Search"}'
DOCKER = 'HTTP/1.1 404 Not Found\n\n{"message":"page not found"}\n'
PATHS = '{"paths":["/api","/api/v1"]}'

# rule: (has it, nearly has it)
SAMPLES: dict[str, tuple[Observation, Observation]] = {
    "redis-no-auth": (service("redis", auth_required=False), service("redis", auth_required=True)),
    "memcached-no-auth": (service("memcached", auth_required=False), service("memcached")),
    "mongodb-no-auth": (service("mongodb", auth_required=False), service("mongodb", auth_required=True)),
    "mysql-no-auth": (service("mysql", auth_required=False), service("mysql", tls_offered=True)),
    "postgres-no-auth": (service("postgres", auth_required=False), service("postgres", auth_required=True)),
    "mqtt-anonymous": (service("mqtt", auth_required=False), service("mqtt", auth_required=True)),
    "amqp-anonymous": (service("amqp", auth_required=False), service("amqp", auth_required=True)),
    "etcd-no-auth": (service("etcd", auth_required=False), service("etcd", auth_required="no")),
    "kubelet-no-auth": (service("kubelet", auth_required=False), service("kubelet", auth_required=True)),
    "zookeeper-no-auth": (service("zookeeper", auth_required=False), service("zookeeper", auth_required=None)),
    "ftp-anonymous": (service("ftp", auth_required=False), service("ftp", auth_required=True)),
    "elasticsearch-no-auth": (page("http", SEARCH), page("http", SEARCH, status=401)),
    "docker-api-open": (page("http", DOCKER, status=404, port=2375), page("http", "404 page not found", status=404)),
    "kubernetes-api-anonymous": (page(evidence=PATHS), page(evidence=PATHS, status=403)),
    "telnet-in-use": (service("telnet"), service("telnet", tls=True)),
    "r-services-in-use": (service("rlogin"), service("unknown")),
    "vnc-no-auth": (service("vnc", security_types=["none", "vnc"]), service("vnc", security_types=["vnc"])),
    "vnc-weak-auth": (service("vnc", security_types=["vnc"]), service("vnc", security_types=["vnc", "vencrypt"])),
    "rdp-no-nla": (service("rdp", protocols=["tls", "credssp"]), service("rdp", protocols=["credssp"])),
    "ftp-cleartext": (service("ftp", starttls=False), service("ftp", starttls=True)),
    "mail-access-cleartext": (service("imap", starttls=False), service("imap", starttls=False, tls=True)),
    "smtp-no-starttls": (service("smtp", starttls=False), service("smtp")),
    "mail-login-before-tls": (
        service("smtp", starttls=True, capabilities=["STARTTLS", "AUTH PLAIN LOGIN"]),
        service("smtp", starttls=True, capabilities=["STARTTLS", "AUTH GSSAPI"]),
    ),
    "data-service-cleartext": (
        service("mqtt", auth_required=True),
        service("postgres", auth_required=True, tls_offered=True),
    ),
    "data-service-reachable": (service("postgres", auth_required=True), service("postgres", auth_required=False)),
    "administration-reachable": (service("rdp"), service("vnc", security_types=["none"])),
    "file-share-reachable": (service("rsync"), service("http")),
    "ssh-protocol-1": (service("ssh", protocol="1.99"), service("ssh", protocol="2.0")),
    "ssh-terrapin": (
        service("ssh", **SSH | {"ciphers": ["chacha20-poly1305@openssh.com"]}),
        service("ssh", **SSH | {"ciphers": ["aes128-cbc"], "macs": ["hmac-sha2-256"]}),
    ),
    "ssh-weak-kex": (
        service("ssh", **SSH | {"kex": ["diffie-hellman-group1-sha1"]}),
        service("ssh", **SSH | {"kex": ["diffie-hellman-group14-sha256"]}),
    ),
    "ssh-weak-host-key": (
        service("ssh", **SSH | {"host_keys": ["ssh-rsa"]}),
        service("ssh", **SSH | {"host_keys": ["rsa-sha2-256"]}),
    ),
    "ssh-weak-cipher": (service("ssh", **SSH | {"ciphers": ["3des-cbc"]}), service("ssh", **SSH)),
    "ssh-weak-mac": (service("ssh", **SSH | {"macs": ["hmac-md5"]}), service("ssh", **SSH | {"macs": ["hmac-sha1"]})),
    "tls-obsolete-version": (tls(accepted=["TLSv1", "TLSv1.2"]), tls()),
    "tls-no-modern-version": (
        tls(version="TLSv1", accepted=["TLSv1"], refused=["TLSv1.2", "TLSv1.3"]),
        tls(accepted=["TLSv1", "TLSv1.3"]),
    ),
    "tls-weak-cipher": (tls(cipher="DES-CBC3-SHA", version="TLSv1.2", cipher_bits=112), tls()),
    "tls-no-forward-secrecy": (
        tls(cipher="AES128-SHA", version="TLSv1.2", cipher_bits=128),
        tls(cipher="ECDHE-RSA-AES128-GCM-SHA256", version="TLSv1.2", cipher_bits=128),
    ),
    "tls-certificate-expired": (tls(certificate(not_after=days(-1))), tls(certificate(not_after=days(1)))),
    "tls-certificate-expiring": (tls(certificate(not_after=days(29))), tls(certificate(not_after=days(31)))),
    "tls-certificate-not-yet-valid": (tls(certificate(not_before=days(1))), tls()),
    "tls-certificate-self-signed": (
        tls(certificate(is_self_signed=True), is_trusted=False, trust_error="self-signed certificate"),
        tls(certificate(is_self_signed=True)),
    ),
    "tls-certificate-untrusted": (
        tls(is_trusted=False, trust_error="unable to get local issuer certificate"),
        tls(is_trusted=False, trust_error="No TLS handshake: UNSUPPORTED_PROTOCOL."),
    ),
    "tls-name-mismatch": (tls(name_matches=False), tls(name_matches=None)),
    "tls-short-key": (tls(certificate(key_type="rsa", key_bits=1024)), tls(certificate(key_type="rsa", key_bits=2048))),
    "tls-weak-signature": (
        tls(certificate(signature_hash="sha1")),
        tls(certificate(), certificate(signature_hash="sha1", is_self_signed=True)),
    ),
    "http-hsts": (page(), page(headers=GOOD_HEADERS)),
    "http-security-headers": (page(), page(headers=GOOD_HEADERS)),
    "http-cookie-flags": (page(cookies=["sid=; Path=/"]), page(cookies=["sid=; Secure; HttpOnly; SameSite=Lax"])),
    "http-basic-auth-cleartext": (
        page("http", status=401, headers={"www-authenticate": 'Basic realm="x"'}),
        page("https", status=401, headers={"www-authenticate": 'Basic realm="x"'}),
    ),
    "http-cleartext": (page("http"), page("http", status=301, redirects_to="https://shop.example.org/")),
    "http-directory-listing": (page(title="Index of /"), page(title="The Index of /usr")),
    "http-phpinfo": (page(title="PHP 8.2.7 - phpinfo()"), page(title="What phpinfo() shows")),
    "http-open-console": (page(title="Dashboard [Jenkins]"), page(title="Dashboard [Jenkins]", status=403)),
    "http-default-page": (page(title="Welcome to nginx!"), page(title="Welcome")),
    "http-version-disclosure": (page(headers={"server": "nginx/1.29.5"}), page(headers={"server": "nginx"})),
    "mail-version-disclosure": (
        service("smtp", product="Exim", version="4.96"),
        service("smtp", product="Postfix"),
    ),
    "dns-version-bind": (service("dns", version_bind="9.18.24-1"), service("dns", version_bind="none")),
    "dns-open-recursion": (service("dns", recursion=True), service("dns", recursion=False)),
    "smtp-user-enumeration": (
        service("smtp", capabilities=["VRFY", "SIZE 1000"]),
        service("smtp", capabilities=["HELP"]),
    ),
    "service-unidentified": (service("unknown"), service("http")),
    "end-of-life": (
        service("postgres", product="PostgreSQL", version="13.4"),
        service("postgres", product="PostgreSQL", version="15.4"),
    ),
}


def found(*observations: Observation) -> dict[str, Finding]:
    return {finding.rule: finding for finding in judge("host", observations, AT)}


@pytest.mark.parametrize("rule", SAMPLES)
def test_a_rule_fires_where_the_weakness_is_and_only_there(rule: str) -> None:
    weak, sound = SAMPLES[rule]
    assert rule in found(weak)
    assert rule not in found(sound)


@pytest.mark.parametrize("rule", SAMPLES)
def test_a_finding_says_what_why_and_how_to_fix_with_references_and_evidence(rule: str) -> None:
    finding = found(SAMPLES[rule][0])[rule]
    assert all(
        (text.strip() and "{" not in text.replace("${", "").replace("{{", "")) or "`" in text
        for text in (finding.what, finding.why, finding.fix)
    )
    assert finding.references
    assert all(reference.title and reference.url.startswith("https://") for reference in finding.references)
    assert finding.evidence
    assert finding.subject == "host" or finding.subject == f"tcp/{PUBLIC}:{finding.subject.rpartition(':')[2]}"
    assert len(finding.fingerprint) == 32


def test_every_declared_rule_has_a_sample() -> None:
    assert {rule.id for rule in rules("host")} == set(SAMPLES)


def test_no_two_rules_share_an_id() -> None:
    ids = [rule.id for rule in rules("host")]
    assert len(ids) == len(set(ids))


def test_a_well_kept_site_has_no_finding() -> None:
    cookie = "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert found(tls(), page(headers=GOOD_HEADERS, cookies=[cookie]), service("ssh", **SSH)) == {}


@pytest.mark.parametrize(("address", "severity"), [(PUBLIC, "critical"), (PRIVATE, "critical"), (LOOPBACK, "high")])
def test_an_open_store_is_milder_where_only_loopback_was_seen(address: str, severity: str) -> None:
    data: dict[str, Any] = {"address": address, "name": "redis", "details": {"auth_required": False}}
    assert found(seen("service", **data))["redis-no-auth"].severity == severity


def test_no_finding_over_loopback_claims_more_than_the_scan_knows() -> None:
    for finding in judge(
        "host", [seen("service", address=LOOPBACK, name="redis", details={"auth_required": False})], AT
    ):
        assert "whether other machines can reach it, this scan does not show" in finding.what
