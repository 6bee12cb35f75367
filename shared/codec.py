"""Seals and signs what lies where others may reach it: task messages, events of the bus, secrets in the database.

AES-256-GCM under a key of the organisation, from the current master key. A message is also signed by HMAC-SHA256 over
all that it says of itself and its sealed body, so that no part of it fits another. Why: docs/decisions/0023.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared import keyring
from shared.keyring import StaleKey, Unverified

JSON = "application/json"
SEALED = "application/vnd.vedette.sealed"  # content type of a sealed message
JOB, ORG, KEY, SIGNATURE = "x-job", "x-org", "x-key", "x-signature"  # headers
MARK = "sealed:1:"  # a sealed text begins with this, then come the id of its master key, `:`, and base64
NONCE_BYTES = 12  # random; by NIST SP 800-38D good for 2^32 messages of one organisation under one master key
LONGEST = 64  # characters of a job, an organisation, a key id, a signature: more was not written here

# Headers that the transport changes while a message is on its way, so that a signature cannot hold them.
UNSIGNED = frozenset(
    {
        "redelivered",
        "x-deliveries",
        "x-queued-at",
        "x-returned-at",
        "x-worker-deaths",
        "x-last-death",
        JOB,
        ORG,
        KEY,
        SIGNATURE,
    }
)
_MESSAGE = b"vedette message 1"


class Unsigned(Unverified):
    """A message that nobody here has signed."""


class BadSignature(Unverified):
    """A message that is not as it was signed: changed, moved, cut short, or signed by somebody else."""


@dataclass(frozen=True)
class Opened:
    """A message that this installation sent as it is. job_id, org_id: empty for a task of no job."""

    body: bytes
    job_id: str
    org_id: str


def seal(body: bytes, headers: dict[str, Any], job_id: str, org_id: str) -> bytes:
    """Return the sealed body of a message; `headers` get what it takes to open it. Raises keyring.KeyMissing."""
    key_id, key = keyring.key("message", org_id)
    headers |= {JOB: job_id, ORG: org_id, KEY: key_id}
    context = _context(headers)
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, body, context)
    headers[SIGNATURE] = _signature(context, sealed, org_id, key_id)
    return sealed


def unseal(body: object, content_type: object, headers: Mapping[str, Any]) -> Opened:
    """Return a message that was sealed. Raises Unsigned, BadSignature, keyring.StaleKey."""
    if content_type != SEALED:
        raise Unsigned(f"The message is not sealed: its content is said to be {str(content_type)[:100]!r}.")
    said = [headers.get(name) for name in (JOB, ORG, KEY, SIGNATURE)]
    if not all(isinstance(each, str) and len(each) <= LONGEST for each in said) or not isinstance(body, bytes):
        raise Unsigned("The message has no signature, or not all that belongs to one.")
    job_id, org_id, key_id, signature = (str(each) for each in said)
    try:
        context = _context(headers)
        wanted = _signature(context, body, org_id, key_id)
    except (ValueError, RecursionError, TypeError) as exc:
        raise BadSignature("The headers of the message cannot be signed.") from exc
    if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
        raise BadSignature("The message is not as it was signed, or was signed by somebody else.")
    return Opened(_opened(keyring.key("message", org_id, key_id)[1], body, context), job_id, org_id)


def unseal_raw(message: Mapping[str, Any]) -> Opened:
    """Return a message that was sealed, from the form in which kombu keeps it in Redis. Raises as `unseal`."""
    headers, body, properties = (message.get(name) for name in ("headers", "body", "properties"))
    if not isinstance(headers, dict) or not isinstance(properties, dict) or not isinstance(body, str):
        raise Unsigned("It is no message.")
    if properties.get("body_encoding") != "base64":
        raise Unsigned("The message is not sealed.")
    try:
        decoded = base64.b64decode(body)
    except (binascii.Error, ValueError) as exc:
        raise BadSignature("The body of the message is not base64.") from exc
    return unseal(decoded, message.get("content-type"), headers)


def sign(purpose: str, data: bytes) -> str:
    """Return what proves that this installation wrote `data` for this purpose."""
    key_id, key = keyring.key(f"{purpose} signature")
    return f"{key_id}:{hmac.digest(key, data, 'sha256').hex()}"


def is_signed(purpose: str, data: bytes, signature: str) -> bool:
    """Whether `sign` made this signature, with a key that is still there."""
    key_id, _, said = signature.partition(":")
    try:
        _, key = keyring.key(f"{purpose} signature", key_id=key_id)
    except StaleKey:
        return False
    return hmac.compare_digest(hmac.digest(key, data, "sha256").hex().encode(), said.encode("utf-8", "replace"))


def seal_text(purpose: str, text: str, org_id: str = "", about: str = "") -> str:
    """Return a sealed text. It opens only for the same purpose and organisation, and with the same `about`."""
    key_id, key = keyring.key(purpose, org_id)
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + _cipher(key).encrypt(nonce, text.encode(), _joined(purpose.encode(), about.encode()))
    return f"{MARK}{key_id}:{base64.urlsafe_b64encode(sealed).decode()}"


def unseal_text(purpose: str, token: str, org_id: str = "", about: str = "") -> str:
    """Return what was sealed. Raises Unsigned, BadSignature, keyring.StaleKey."""
    key_id, separator, encoded = token.removeprefix(MARK).partition(":")
    if not token.startswith(MARK) or not separator:
        raise Unsigned("The text is not sealed.")
    try:
        sealed = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadSignature("The sealed text is not base64.") from exc
    key = keyring.key(purpose, org_id, key_id)[1]
    return _opened(key, sealed, _joined(purpose.encode(), about.encode())).decode()


def seal_bytes(purpose: str, data: bytes, org_id: str) -> bytes:
    """Return sealed bytes: the id of the master key, `:`, and the rest. They open for the same purpose and org only."""
    key_id, key = keyring.key(purpose, org_id)
    nonce = os.urandom(NONCE_BYTES)
    return key_id.encode() + b":" + nonce + _cipher(key).encrypt(nonce, data, purpose.encode())


def unseal_bytes(purpose: str, sealed: bytes, org_id: str) -> bytes:
    """Return what was sealed. Raises Unsigned, BadSignature, keyring.StaleKey."""
    key_id, separator, _ = sealed[: LONGEST + 1].partition(b":")
    if not separator:
        raise Unsigned("The bytes are not sealed.")
    key = keyring.key(purpose, org_id, key_id.decode("utf-8", "replace"))[1]
    return _opened(key, sealed[len(key_id) + 1 :], purpose.encode())


def key_of(token: str) -> str:
    """Return the id of the master key with which a text is sealed, or an empty text where it is not."""
    return token.removeprefix(MARK).partition(":")[0] if token.startswith(MARK) else ""


def _context(headers: Mapping[str, Any]) -> bytes:
    """Return what a message says of itself, in one form only: every header but those that change on the way."""
    signed = {name: value for name, value in headers.items() if name not in UNSIGNED}
    plain = json.dumps(signed, sort_keys=True, separators=(",", ":")).encode()
    return _joined(_MESSAGE, *(str(headers[name]).encode("utf-8", "replace") for name in (KEY, JOB, ORG)), plain)


def _joined(*parts: bytes) -> bytes:
    """Each with its length before it, so that nothing can slip from one into the next."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _signature(context: bytes, sealed: bytes, org_id: str, key_id: str) -> str:
    _, key = keyring.key("message signature", org_id, key_id)
    return hmac.digest(key, _joined(context, sealed), "sha256").hex()


def _opened(key: bytes, sealed: bytes, context: bytes) -> bytes:
    try:
        return _cipher(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
    except (InvalidTag, ValueError) as exc:
        raise BadSignature("The sealed content is not as it was sealed.") from exc


@lru_cache(keyring.KNOWN)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)
