"""The chain of an audit: each entry carries a hash of itself and of the one before, and a seal over that hash.

The hash (SHA-256) is of a text that is the same on every database, so an export can be checked without a key. The seal
(HMAC-SHA256 under a key of the organisation) is what somebody who writes to the database cannot make.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from shared import keyring
from shared.text import as_json, kept

START = ""  # what the first entry names as the hash before it
BROKEN = "broken"  # named by an entry that was written when the head of the chain could not be believed
HASHED = ("org_id", "at", "actor", "address", "action", "subject", "before", "after", "reason", "detail", "trace_id")

_PURPOSE = "audit"
_SEAL = re.compile(r"[A-Za-z0-9_-]{1,32}:[0-9a-f]{64}")


def plain(value: Any) -> Any:  # noqa: ANN401  plain data
    """Return plain data in the one form that every database gives back as it was."""
    if isinstance(value, dict):
        return {kept(str(name)): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, float):  # PostgreSQL gives 1e300 back as a whole number
        return None if not math.isfinite(value) else int(value) if value.is_integer() else value
    if value is None or isinstance(value, (bool, int)):
        return value
    return kept(str(value))


def digest(entry: dict[str, Any], previous: str) -> str:
    """Return the hash of an entry after one whose hash is `previous`, in hex."""
    fields = {name: _text(entry[name]) for name in HASHED}
    document = json.loads(as_json(fields | {"previous_hash": previous}))
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal(org_id: str, what: str) -> str:
    """Return `<key id>:<HMAC-SHA256>` of a text of an organisation."""
    key_id, key = keyring.key(_PURPOSE, org_id)
    return f"{key_id}:{_mac(key, what)}"


def is_sealed(org_id: str, what: str, given: str) -> bool:
    """Whether `given` is the seal of a text. Raises StaleKey when its key is gone, so that nobody can tell."""
    if not _SEAL.fullmatch(given):
        return False
    key_id, _, mac = given.partition(":")
    _, key = keyring.key(_PURPOSE, org_id, key_id)
    return hmac.compare_digest(_mac(key, what).encode(), mac.encode())


def head(seq: int, newest: str) -> str:
    """Return what the seal of the head of a chain is of: how long it is, and its newest hash."""
    return f"head {seq} {newest}"


def _mac(key: bytes, what: str) -> str:
    return hmac.new(key, what.encode(), hashlib.sha256).hexdigest()


def _text(value: Any) -> Any:  # noqa: ANN401  of a column
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
