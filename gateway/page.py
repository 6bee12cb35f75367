"""Lists: their shape, and the cursor that continues one (keyset: the id of the last item, opaque to clients)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from shared.errors import InvalidInput

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[0-9]{1,18}")
Item = TypeVar("Item")


class CursorUnreadable(InvalidInput):
    """The cursor was not made by this gateway."""


class Page(BaseModel, Generic[Item]):
    """Some items. `next` continues the list; it is null at its end."""

    items: list[Item]
    next: str | None = None


def cut(found: Sequence[Item], limit: int, key: str = "id") -> Page[Item]:
    """Return the first `limit` of what was found; one more than that says that there are more.

    key: the field by which the list is ordered.
    """
    more = len(found) > limit
    return Page(items=list(found[:limit]), next=cursor(str(getattr(found[limit - 1], key))) if more else None)


def cursor(last_id: str) -> str:
    return base64.urlsafe_b64encode(last_id.encode()).decode().rstrip("=")


def place(given: str) -> str:
    """Return the id in a cursor, or an empty string for none. Raises CursorUnreadable."""
    return _read(given, _ID) if given else ""


def number(given: str) -> int:
    """Return the number in a cursor of a list whose ids are numbers, or 0 for none. Raises CursorUnreadable."""
    return int(_read(given, _NUMBER)) if given else 0


def _read(given: str, form: re.Pattern[str]) -> str:
    try:
        text = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not form.fullmatch(text):
        raise CursorUnreadable("The cursor is not one of this list.", cure="Give `next` of the page before, unchanged.")
    return text
