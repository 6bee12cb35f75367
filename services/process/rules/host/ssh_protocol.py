"""SSH's protocol itself: version 1, and the Terrapin truncation of version 2."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.process.rule import Rule, cve, cwe, ref, rfc
from services.process.rules.host import Service, View
from shared.contracts.finding import Finding, Severity

VERSION_1 = Rule(
    id="ssh-protocol-1",
    title="The server speaks SSH version 1",
    severity=Severity.HIGH,
    why=(
        "Version 1 protects its traffic with CRC-32, which can be forged: an attacker on the path inserts commands and "
        "stands in for the server. It has been removed from every maintained implementation."
    ),
    fix="Upgrade the server; on old OpenSSH set `Protocol 2` in sshd_config, on network gear `ip ssh version 2`.",
    references=(
        rfc(4253, "SSH Transport Layer Protocol, section 5: compatibility with old versions"),
        cve("CVE-2001-1473"),
        cwe(327, "Use of a Broken or Risky Cryptographic Algorithm"),
    ),
)
TERRAPIN = Rule(
    id="ssh-terrapin",
    title="SSH is open to the Terrapin attack (CVE-2023-48795)",
    severity=Severity.MEDIUM,
    why=(
        "An attacker on the path can drop messages at the start of the session without being noticed, and so switch "
        "off extensions that the client relies on. The server offers an affected cipher and no strict key exchange."
    ),
    fix=(
        "Upgrade to OpenSSH 9.6 or a package with the fix (strict key exchange). Until then, in sshd_config: "
        "`Ciphers -chacha20-poly1305@openssh.com,*-cbc` and `MACs -*-etm@openssh.com`."
    ),
    references=(
        cve("CVE-2023-48795"),
        ref("Terrapin attack", "https://terrapin-attack.com/"),
        ref("OpenSSH 9.6 release notes", "https://www.openssh.com/txt/release-9.6"),
    ),
)
_STRICT = "kex-strict-s-v00@openssh.com"
_CBC = re.compile(r"[a-z0-9-]{1,40}-cbc")
_CHACHA = "chacha20-poly1305@openssh.com"


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("ssh"):
        protocol = service.text("protocol")
        if protocol.startswith("1."):
            also = " beside version 2" if protocol == "1.99" else ""
            yield VERSION_1.at(service, f"{service.label} on port {service.data.port} speaks SSH version 1{also}.")
        yield from _terrapin(service)


def _terrapin(service: Service) -> Iterator[Finding]:
    if not service.names("kex") or _STRICT in service.names("kex"):
        return
    affected = [name for name in service.names("ciphers") if name == _CHACHA]
    cbc = [name for name in service.names("ciphers") if _CBC.fullmatch(name)][:10]
    if any("-etm@" in name for name in service.names("macs")):
        affected += cbc
    if affected:
        what = (
            f"{service.label} on port {service.data.port} offers {', '.join(affected)} and does not offer strict "
            f"key exchange ({_STRICT})."
        )
        yield TERRAPIN.at(service, what)
