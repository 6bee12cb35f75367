"""The strength of a certificate chain's keys and signatures."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from shared.contracts.finding import Finding, Severity
from shared.contracts.kinds.host import CertificateFacts, TlsFacts

_SP800_57 = ref("NIST SP 800-57 Part 1: key management", "https://csrc.nist.gov/pubs/sp/800/57/pt1/r5/final")
_BASELINE = ref(
    "CA/Browser Forum: baseline requirements", "https://cabforum.org/working-groups/server/baseline-requirements/"
)
_REISSUE = (
    "Make a new key and have it certified: `openssl ecparam -name prime256v1 -genkey -noout -out server.key`, "
    "`openssl req -new -sha256 -key server.key -out server.csr`; or `certbot renew --force-renewal --key-type ecdsa`."
)

SHORT_KEY = Rule(
    id="tls-short-key",
    title="A certificate's key is too short",
    severity=Severity.MEDIUM,
    why="Keys of less than 112 bits of strength (RSA 2048, EC 224) can be broken by who can afford it.",
    fix=_REISSUE,
    references=(_SP800_57, _BASELINE, cwe(326, "Inadequate Encryption Strength")),
)
WEAK_HASH = Rule(
    id="tls-weak-signature",
    title="A certificate is signed with a broken hash",
    severity=Severity.MEDIUM,
    why="Collisions of MD5 and SHA-1 have been used to forge certificates and documents; clients refuse both.",
    fix=f"Have the chain issued again with SHA-256. {_REISSUE}",
    references=(
        ref("SHAttered: the first SHA-1 collision", "https://shattered.io/"),
        _BASELINE,
        cwe(328, "Use of Weak Hash"),
    ),
)
_LEAST = {"rsa": 2048, "dsa": 2048, "ec": 224, "ecdsa": 224}
_BROKEN = {"md2", "md4", "md5", "sha1"}


def judge(view: View) -> Iterator[Finding]:
    for endpoint in view.tls:
        for place, certificate in enumerate(endpoint.data.chain):
            yield from _key(endpoint, certificate, place)
            yield from _hash(endpoint, certificate, place)


def _key(endpoint: Fact[TlsFacts], certificate: CertificateFacts, place: int) -> Iterator[Finding]:
    least = _LEAST.get(certificate.key_type.lower().partition(" ")[0], 0)  # "ec secp256r1"
    if certificate.key_bits is None or not 0 < certificate.key_bits < least:
        return
    what = f"{_of(endpoint, certificate, place)} has a key of {certificate.key_bits} bits ({certificate.key_type})."
    found = SHORT_KEY.at(endpoint, what, apart=_apart(certificate, place))
    yield found.model_copy(update={"severity": Severity.HIGH}) if certificate.key_bits <= least // 2 else found


def _hash(endpoint: Fact[TlsFacts], certificate: CertificateFacts, place: int) -> Iterator[Finding]:
    name = certificate.signature_hash.lower().replace("-", "")
    if name not in _BROKEN or certificate.is_self_signed:
        return  # nobody checks a root's signature of itself
    what = f"{_of(endpoint, certificate, place)} is signed with {certificate.signature_hash}."
    found = WEAK_HASH.at(endpoint, what, apart=_apart(certificate, place))
    yield found if name == "sha1" else found.model_copy(update={"severity": Severity.HIGH})


def _of(endpoint: Fact[TlsFacts], certificate: CertificateFacts, place: int) -> str:
    role = "certificate" if place == 0 else "issuing certificate"
    return f"The {role} {certificate.subject or certificate.sha256[:16]} on port {endpoint.data.port}"


def _apart(certificate: CertificateFacts, place: int) -> str:
    """The leaf is renewed and stays the same place; the ones above are told apart by whom they name."""
    return certificate.subject if place else ""
