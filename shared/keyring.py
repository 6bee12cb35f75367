"""The keys of this installation: all are derived from its master key, one per purpose and organisation.

The setting `master_key` is `<id>:<32 bytes in base64>`, the current one first; those after it only open what they
once sealed. Derived by HKDF-SHA256 (RFC 5869), so a key that leaks tells nothing of another.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import Permanent, Security
from shared.settings import settings

KEY_BYTES = 32
KNOWN = 4096  # derived keys remembered: a few per organisation
MAKE = "printf 'k1:%s' \"$(head -c 32 /dev/urandom | base64)\""
MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: how a process that has no key ends

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


class KeyMissing(Permanent):
    """There is no master key, so nothing could be sealed or signed."""


class KeyMalformed(Permanent):
    """The master key is not what one looks like. The message holds nothing of it."""


class Unverified(Security):
    """Something cannot be shown to come from this installation as it is. `code` says in which way."""


class StaleKey(Unverified):
    """Something is sealed with a key that this installation does not have, or not any more."""


@dataclass(frozen=True)
class Keyring:
    """Master keys by id; the first is the current one."""

    masters: Mapping[str, bytes] = field(repr=False)

    @property
    def current(self) -> str:
        return next(iter(self.masters))


def parse(text: str) -> Keyring:
    """Return the keys in the text of a setting. Raises KeyMissing and KeyMalformed."""
    if not text.strip():
        raise KeyMissing(
            "There is no master key, so nothing can be sealed or signed.",
            cure=f"Set VEDETTE_MASTER_KEY, or VEDETTE_MASTER_KEY_FILE to a file that holds it, made by: {MAKE}",
        )
    masters: dict[str, bytes] = {}
    for number, entry in enumerate(text.split(","), 1):
        key_id, _, encoded = entry.strip().partition(":")
        if not _ID.fullmatch(key_id) or key_id in masters:
            raise _malformed(number, "its id is not one to 32 letters, digits, `-` and `_` of its own before a colon")
        masters[key_id] = _bytes(number, encoded)
    return Keyring(MappingProxyType(masters))


def require() -> None:
    """Have this process find out now whether it has keys. Raises KeyMissing and KeyMalformed."""
    _keyring()


def current() -> str:
    """Return the id of the master key that seals now. Raises as `require`."""
    return _keyring().current


def key(purpose: str, org_id: str = "", key_id: str | None = None) -> tuple[str, bytes]:
    """Return a key of 32 bytes for one purpose and organisation, after the id of the master key that it comes from.

    key_id: which master key; without it the current one.  Raises StaleKey for one that is not there, and as `require`.
    """
    wanted = current() if key_id is None else key_id
    return wanted, _derived(purpose, org_id, wanted)


def forget() -> None:
    """Have this process read its keys anew."""
    _keyring.cache_clear()
    _derived.cache_clear()


@cache
def _keyring() -> Keyring:
    return parse(settings().master_key.get_secret_value())


@lru_cache(KNOWN)
def _derived(purpose: str, org_id: str, key_id: str) -> bytes:
    master = _keyring().masters.get(key_id)
    if master is None:
        raise StaleKey(
            f"It is sealed with the key {key_id[:32]!r}, which this installation does not have.",
            cure="If it was dropped from VEDETTE_MASTER_KEY too early, append it again after the current one.",
        )
    about = b"".join(len(part).to_bytes(4, "big") + part for part in (purpose.encode(), org_id.encode()))
    return HKDF(SHA256(), KEY_BYTES, salt=b"vedette", info=about).derive(master)


def _bytes(number: int, encoded: str) -> bytes:
    try:
        found = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(number, "what follows the colon is not base64") from None
    if len(found) != KEY_BYTES:
        raise _malformed(number, f"it has {len(found)} bytes and not {KEY_BYTES}")
    return found


def _malformed(number: int, why: str) -> KeyMalformed:
    return KeyMalformed(f"Key {number} of the master key is not one: {why}.", cure=f"Make one: {MAKE}")
