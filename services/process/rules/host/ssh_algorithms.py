"""What an SSH server offers to negotiate, list by list. A default OpenSSH of the last years passes without a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from services.process.rule import Rule, cve, cwe, rfc
from services.process.rules.host import Service, View
from shared.contracts.finding import Finding, Severity

KEX = Rule(
    id="ssh-weak-kex",
    title="SSH offers weak key exchanges",
    severity=Severity.LOW,
    why=(
        "They hash with SHA-1, whose collisions are practical, or use a 1024-bit group, which states can break once "
        "for everybody (Logjam). RFC 9142 says not to use them."
    ),
    fix=(
        "In sshd_config: `KexAlgorithms -{names}` (or remove your own KexAlgorithms line), `sshd -t`, then reload sshd."
    ),
    references=(
        rfc(9142, "Key Exchange (KEX) Method Updates and Recommendations for SSH"),
        cve("CVE-2015-4000"),
        cwe(326, "Inadequate Encryption Strength"),
    ),
)
HOST_KEY = Rule(
    id="ssh-weak-host-key",
    title="SSH offers weak host key signatures",
    severity=Severity.LOW,
    why=(
        "DSA keys have 1024 bits, and `ssh-rsa` signs with SHA-1: a forged signature lets somebody stand in for the "
        "server. The RSA key itself may stay; it also signs with SHA-2."
    ),
    fix=(
        "In sshd_config: `HostKeyAlgorithms -{names}`, drop `HostKey` lines of DSA keys, and make a new key where "
        "needed: `ssh-keygen -t ed25519 -f /etc/ssh/ssh_host_ed25519_key -N ''`."
    ),
    references=(
        rfc(8332, "Use of RSA Keys with SHA-256 and SHA-512 in SSH"),
        cwe(327, "Use of a Broken or Risky Cryptographic Algorithm"),
    ),
)
CIPHER = Rule(
    id="ssh-weak-cipher",
    title="SSH offers weak ciphers",
    severity=Severity.LOW,
    why=(
        "CBC mode in SSH lets an attacker on the path recover bits of plain text (CVE-2008-5161); RC4 is broken; "
        "ciphers with 64-bit blocks leak after some gigabytes (Sweet32)."
    ),
    fix="In sshd_config: `Ciphers -{names}` (or remove your own Ciphers line), `sshd -t`, then reload sshd.",
    references=(
        cve("CVE-2008-5161"),
        rfc(8758, "Deprecating RC4 in Secure Shell (SSH)"),
        cwe(327, "Use of a Broken or Risky Cryptographic Algorithm"),
    ),
)
MAC = Rule(
    id="ssh-weak-mac",
    title="SSH offers weak message authentication",
    severity=Severity.LOW,
    why="MD5, RIPEMD-160 and tags cut to 96 bits have no margin left; they are only there for very old clients.",
    fix="In sshd_config: `MACs -{names}` (or remove your own MACs line), `sshd -t`, then reload sshd.",
    references=(
        rfc(9142, "Key Exchange (KEX) Method Updates and Recommendations for SSH"),
        rfc(6151, "Updated Security Considerations for the MD5 Message-Digest and the HMAC-MD5 Algorithms"),
        cwe(327, "Use of a Broken or Risky Cryptographic Algorithm"),
    ),
)
MOST_NAMES = 30  # named in one finding; no honest server has more weak ones
_NAME = re.compile(r"[\w@.+/=-]{1,80}")  # RFC 4251, 6; the names go into a line that people copy into a configuration


@dataclass(frozen=True)
class _List:
    """One name-list of SSH_MSG_KEXINIT. `worse` lifts the finding to `severity`, `weak` alone leaves it low."""

    rule: Rule
    key: str
    weak: re.Pattern[str]
    worse: re.Pattern[str]
    severity: Severity = Severity.MEDIUM


_LISTS = (
    _List(
        KEX,
        "kex",
        weak=re.compile(r"diffie-hellman-group(14|-exchange)-sha1|gss-(gex|group1|group14)-sha1-.*"),
        worse=re.compile(r"diffie-hellman-group1-sha1|rsa1024-sha1|gss-group1-sha1-.*"),
    ),
    _List(HOST_KEY, "host_keys", weak=re.compile(r"ssh-rsa(-cert-.*)?"), worse=re.compile(r"ssh-dss(-cert-.*)?")),
    _List(
        CIPHER,
        "ciphers",
        weak=re.compile(r".*-cbc(@.*)?"),
        worse=re.compile(r"arcfour.*|des-cbc.*|none"),
    ),
    _List(
        MAC,
        "macs",
        weak=re.compile(r"hmac-(md5|sha1|sha2-256|sha2-512)-96.*|hmac-md5.*|hmac-ripemd160.*"),
        worse=re.compile(r"none"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("ssh"):
        for group in _LISTS:
            yield from _offer(service, group)


def _offer(service: Service, group: _List) -> Iterator[Finding]:
    offered = [name for name in service.names(group.key) if _NAME.fullmatch(name)]
    worse = [name for name in offered if group.worse.fullmatch(name)]
    weak = [name for name in offered if group.weak.fullmatch(name) and name not in worse]
    if not worse and not weak:
        return
    names = ",".join(list(dict.fromkeys(worse + weak))[:MOST_NAMES])
    what = f"{service.label} on port {service.data.port} offers {names.replace(',', ', ')}."
    severity = group.severity if worse else group.rule.severity
    if "none" in worse:
        severity = Severity.HIGH
    fix = group.rule.fix.format(names=names)
    yield group.rule.at(service, what).model_copy(update={"severity": severity, "fix": fix})
