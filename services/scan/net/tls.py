"""TLS of one endpoint: what is negotiated, which versions are accepted, the chain and whether this system trusts it."""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache

from services.scan.net import certificate
from services.scan.net.answer import NotSpoken, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch
from shared.contracts.kinds.host import CertificateFacts, TlsFacts
from shared.contracts.observation import GapReason

Missed = tuple[GapReason, str]  # why, and in words what, was not found out
Ready = Callable[[], Awaitable[Connection]]  # opens a connection on which the handshake can begin at once

MAX_CHAIN = 10  # certificates
VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_LEGACY_SERVER_CONNECT = 0x4  # ssl.OP_LEGACY_SERVER_CONNECT, named since Python 3.12


@dataclass(frozen=True)
class Session:
    """One inspected endpoint: its facts, and why and in words what could not be found out."""

    facts: TlsFacts
    missed: list[Missed]


@dataclass(frozen=True)
class _Seen:
    version: str
    cipher: str
    bits: int
    alpn: str
    chain: list[CertificateFacts]


@cache
def permissive(version: str = "", *, alpn: bool = False) -> ssl.SSLContext:
    """Return a client context that accepts any peer, for one version or all. It looks; it protects nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")  # level 0, or old versions cannot be offered
    context.options |= _LEGACY_SERVER_CONNECT
    if alpn:
        context.set_alpn_protocols(["h2", "http/1.1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are wanted here
        context.minimum_version = VERSIONS[version or "TLSv1"]
        context.maximum_version = VERSIONS[version or "TLSv1.3"]
    return context


@cache
def trusting() -> ssl.SSLContext:
    """Return a context that verifies chains against the system's store. The name is checked apart."""
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


def server_name(host: str) -> str | None:
    """Return what to send as SNI: names only (RFC 6066, 3)."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return None


async def secured(conn: Connection, context: ssl.SSLContext, host: str) -> Connection:
    """Begin TLS on `conn` and return it; it is closed when that fails. Raises NotSpoken, Lost, Silent."""
    try:
        await conn.secure(context, server_name(host))
    except (ssl.SSLError, ValueError) as exc:  # ValueError: a host that cannot be sent as a name
        conn.close()
        raise NotSpoken(f"No TLS handshake: {clean(getattr(exc, 'reason', None) or str(exc))}.") from exc
    except BaseException:
        conn.close()
        raise
    return conn


async def inspect(ready: Ready, address: str, port: int, host: str, starttls: str = "") -> Session:
    """Look at the TLS endpoint that `ready` leads to. Raises NotSpoken when there is none; Lost; Silent; TooMuch."""
    seen, missed = await _negotiated(ready, host)
    accepted, refused, undecided = await _versions(ready, host)
    missed += [(GapReason.TIMEOUT, f"{each} was neither accepted nor refused") for each in undecided]
    trust_error = await _trust_error(ready, host)
    facts = TlsFacts(
        address=address,
        port=port,
        starttls=starttls,
        version=seen.version,
        cipher=seen.cipher,
        cipher_bits=seen.bits,
        alpn=seen.alpn,
        accepted=accepted,
        refused=refused,
        chain=seen.chain,
        name_checked=host,
        name_matches=certificate.matches(seen.chain[0].names, host) if seen.chain else None,
        is_trusted=not trust_error,
        trust_error=trust_error,
    )
    return Session(facts, missed)


async def _negotiated(ready: Ready, host: str) -> tuple[_Seen, list[Missed]]:
    try:
        conn, tls = await _handshake(ready, permissive(alpn=True), host)
    except (NotSpoken, Lost):  # some mail and FTP servers refuse application protocols that they do not know
        conn, tls = await _handshake(ready, permissive(), host)
    async with conn:
        cipher, _, bits = tls.cipher() or ("", "", 0)
        chain, missed = _chain(tls)
        return _Seen(tls.version() or "", cipher, bits, tls.selected_alpn_protocol() or "", chain), missed


async def _versions(ready: Ready, host: str) -> tuple[list[str], list[str], list[str]]:
    """Return the versions that are accepted, those that are refused, and those tried without an answer."""
    accepted, refused, undecided = [], [], []
    for version in VERSIONS:
        try:
            conn, _ = await _handshake(ready, permissive(version), host)
        except (NotSpoken, Lost):
            refused.append(version)
        except (Silent, TooMuch):
            undecided.append(version)
        else:
            conn.close()
            accepted.append(version)
    return accepted, refused, undecided


async def _trust_error(ready: Ready, host: str) -> str:
    try:
        conn, _ = await _handshake(ready, trusting(), host)
    except (NotSpoken, Lost, Silent, TooMuch) as exc:
        cause = exc.__cause__
        return clean(cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else exc.message)
    conn.close()
    return ""


async def _handshake(ready: Ready, context: ssl.SSLContext, host: str) -> tuple[Connection, ssl.SSLObject]:
    conn = await secured(await ready(), context, host)
    if conn.tls is None:
        raise NotSpoken("No TLS handshake.")
    return conn, conn.tls


def _chain(tls: ssl.SSLObject) -> tuple[list[CertificateFacts], list[Missed]]:
    """Return the readable certificates, leaf first, and those that were not."""
    chain: list[CertificateFacts] = []
    unreadable: list[Missed] = []
    for der in _chain_bytes(tls)[:MAX_CHAIN]:
        try:
            chain.append(certificate.parse(der))
        except certificate.Unreadable as exc:
            unreadable.append((GapReason.ERROR, exc.message))
    return chain, unreadable


def _chain_bytes(tls: ssl.SSLObject) -> list[bytes]:
    """Return the chain as sent. Python has a public way since 3.13; before, the C object has it; else the leaf."""
    for owner in (tls, getattr(tls, "_sslobj", None)):
        if get := getattr(owner, "get_unverified_chain", None):
            return [_der(item) for item in get() or ()]
    leaf = tls.getpeercert(binary_form=True)
    return [leaf] if leaf else []


def _der(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    return bytes(item.public_bytes(2))  # type: ignore[attr-defined]  # _ssl.Certificate has no stub; 2 is ENCODING_DER
