"""Certificates for the servers of the tests: one signed by a private authority, one expired and self-signed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def write_certificates(folder: Path) -> dict[str, Path]:
    """Write `good`, `good_key`, `authority`, `expired` and `expired_key` as PEM files into `folder`."""
    paths = {name: folder / f"{name}.pem" for name in ("good", "good_key", "authority", "expired", "expired_key")}
    authority = trustme.CA()
    authority.cert_pem.write_to_path(paths["authority"])
    issued = authority.issue_cert("localhost", "127.0.0.1")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(paths["good"], append=True)
    authority.cert_pem.write_to_path(paths["good"], append=True)
    issued.private_key_pem.write_to_path(paths["good_key"])
    expired, key = expired_certificate()
    paths["expired"].write_bytes(expired.public_bytes(serialization.Encoding.PEM))
    paths["expired_key"].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    for path in paths.values():
        path.chmod(0o644)
    return paths


def expired_certificate() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return a self-signed certificate of 2001 for old.example, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "old.example")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0xC0FFEE)
        .not_valid_before(datetime(2001, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2001, 12, 31, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("old.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256()), key
