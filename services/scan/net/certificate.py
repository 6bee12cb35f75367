"""Facts of X.509 certificates, parsed by `cryptography`; whether a certificate is for a host (RFC 9525)."""

from __future__ import annotations

import ipaddress
import warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning

from services.scan.net.answer import clean
from shared.contracts.kinds.host import CertificateFacts
from shared.errors import Permanent

MAX_NAMES = 200  # names of one certificate; CDNs put a hundred into one


_UNPARSABLE = (
    *(ValueError, TypeError, OverflowError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


class Unreadable(Permanent):
    """The certificate is not one that can be parsed."""


def parse(der: bytes) -> CertificateFacts:
    """Return the facts of one certificate. Raises Unreadable."""
    with warnings.catch_warnings():  # what is odd about a stranger's certificate is no concern of our logs
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return _facts(der)


def _facts(der: bytes) -> CertificateFacts:
    try:
        cert = x509.load_der_x509_certificate(der)
        key_type, key_bits = _key(cert)
        return CertificateFacts(
            subject=clean(cert.subject.rfc4514_string()),
            issuer=clean(cert.issuer.rfc4514_string()),
            names=_names(cert),
            serial=f"{cert.serial_number:x}",
            not_before=cert.not_valid_before_utc,
            not_after=cert.not_valid_after_utc,
            key_type=key_type,
            key_bits=key_bits,
            signature_hash=_signature_hash(cert),
            is_self_signed=cert.subject == cert.issuer,
            is_ca=_is_ca(cert),
            sha256=cert.fingerprint(hashes.SHA256()).hex(),
        )
    except _UNPARSABLE as exc:
        raise Unreadable(f"The certificate cannot be parsed: {clean(str(exc))}.") from exc


def matches(names: list[str], host: str) -> bool:
    """Whether a certificate with these names is for `host`. A wildcard stands for exactly one whole first label."""
    try:
        wanted = str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        wanted = host.rstrip(".").lower()
    else:
        return wanted in names
    for name in (name.rstrip(".").lower() for name in names):
        if name == wanted or (name.startswith("*.") and "." in name[2:] and name[2:] == wanted.partition(".")[2]):
            return True
    return False


def _names(cert: x509.Certificate) -> list[str]:
    try:
        extension = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    names = extension.get_values_for_type(x509.DNSName)
    names += [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return [clean(name, 253) for name in names[:MAX_NAMES]]


def _is_ca(cert: x509.Certificate) -> bool:
    try:
        return cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signature_hash(cert: x509.Certificate) -> str:
    try:
        algorithm = cert.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return cert.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm else ""


def _key(cert: x509.Certificate) -> tuple[str, int | None]:
    try:
        key = cert.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return cert.public_key_algorithm_oid.dotted_string, None
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"ec {key.curve.name}", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "dsa", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519", 256
    return ("ed448", 456) if isinstance(key, ed448.Ed448PublicKey) else (type(key).__name__, None)
