"""The cipher suite that a modern client and this endpoint agreed on. Weak here means: weak with every client."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cve, cwe, ref, rfc
from services.process.rules.host import View
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import TlsFacts

_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
_FIX = f"nginx: `ssl_ciphers {_SUITES};` · Apache: `SSLCipherSuite` with the same list. TLS 1.3 needs no list."
_RFC9325 = rfc(9325, "Recommendations for Secure Use of TLS and DTLS")
_MOZILLA = ref("Mozilla: server side TLS", "https://wiki.mozilla.org/Security/Server_Side_TLS")

WEAK = Rule(
    id="tls-weak-cipher",
    title="TLS negotiates a weak cipher",
    severity=Severity.MEDIUM,
    why=(
        "The client offered strong ciphers and got this one. RC4 and export ciphers are broken, 3DES and other 64-bit "
        "blocks leak after some gigabytes (Sweet32), anonymous suites prove nobody's identity, NULL encrypts nothing."
    ),
    fix=_FIX,
    references=(
        _RFC9325,
        cve("CVE-2016-2183"),
        _MOZILLA,
        cwe(327, "Use of a Broken or Risky Cryptographic Algorithm"),
    ),
)
NO_SECRECY = Rule(
    id="tls-no-forward-secrecy",
    title="TLS without forward secrecy",
    severity=Severity.LOW,
    why=(
        "The session key is encrypted to the server's RSA key: who records traffic today and gets that key later reads "
        "it all. This exchange is also the ground of the ROBOT attack."
    ),
    fix=_FIX,
    references=(_RFC9325, ref("The ROBOT attack", "https://robotattack.org/"), _MOZILLA),
)
_BROKEN = re.compile(r"NULL|EXP(ORT)?\b|^EXP-|ADH|AECDH|_ANON_|\bDES-CBC-|_DES_CBC_", re.IGNORECASE)
_WEAK = re.compile(r"RC4|3DES|DES-CBC3|RC2|IDEA|MD5", re.IGNORECASE)
_SECRET = re.compile(r"ECDHE|DHE|EDH|^TLS_(AES|CHACHA20|SM4|AEGIS)", re.IGNORECASE)


def judge(view: View) -> Iterator[Finding]:
    for endpoint in view.tls:
        if endpoint.data.cipher:
            yield from _cipher(endpoint)


def _cipher(endpoint: Fact[TlsFacts]) -> Iterator[Finding]:
    data = endpoint.data
    what = f"The TLS endpoint on port {data.port} chose {data.cipher} ({data.version}"
    what += f", {data.cipher_bits} bits)." if data.cipher_bits else ")."
    if _BROKEN.search(data.cipher) or 0 < data.cipher_bits < 112:
        yield WEAK.at(endpoint, what).model_copy(update={"severity": Severity.HIGH})
    elif _WEAK.search(data.cipher) or data.cipher_bits == 112:
        yield WEAK.at(endpoint, what)
    elif not _SECRET.search(data.cipher) and not data.version.endswith("1.3"):
        yield NO_SECRECY.at(endpoint, what)
