"""Cursors: the place of the last item of a page, sealed, so that it continues that list of that caller and no other.

AES-SIV (RFC 5297) seals the same place in the same way each time, so a list that did not change keeps its ETag.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from starlette.requests import Request

from shared import keyring
from shared.errors import InvalidInput

PURPOSE = "cursor"
MAX_LENGTH = 512  # characters
_NOT_OF_THE_LIST = frozenset({"limit", "cursor", "ticket"})  # a page may have another size than the one before


class CursorRefused(InvalidInput):
    """The cursor was not made for this list with this filter, or not by this installation."""

    status = 400


def list_of(request: Request) -> str:
    """Return what tells the list that is asked for from all others of its organisation: its path and its filter."""
    asked = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _NOT_OF_THE_LIST)
    return f"{request.scope['path']}?{urlencode(asked)}"


def sealed(place: Sequence[str], org_id: str, which: str) -> str:
    """Return the cursor of a place, which is the text of what the list is ordered by."""
    key_id, key = keyring.key(PURPOSE, org_id)
    hidden = AESSIV(key).encrypt("\n".join(place).encode(), [which.encode()])
    return f"{key_id}.{base64.urlsafe_b64encode(hidden).decode().rstrip('=')}"


def opened(cursor: str, org_id: str, which: str) -> list[str]:
    """Return the place in a cursor. Raises CursorRefused."""
    key_id, _, hidden = cursor.partition(".")
    try:
        raw = base64.b64decode(hidden + "=" * (-len(hidden) % 4), altchars=b"-_", validate=True)
        _, key = keyring.key(PURPOSE, org_id, key_id)
        return AESSIV(key).decrypt(raw, [which.encode()]).decode().split("\n")
    except (binascii.Error, ValueError, InvalidTag, keyring.StaleKey):
        raise CursorRefused(
            "The cursor is not one of this list with this filter.",
            cure="Give `next` of the page before, unchanged, and the same filter; or begin again without a cursor.",
        ) from None
