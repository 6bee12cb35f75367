"""Lists: what is asked of one, and its shape. A place in it is the last item's key (keyset), which a cursor hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.requests import Request

from gateway import cursor as cursors
from gateway.auth import Asking

Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str, Query(max_length=cursors.MAX_LENGTH, description="`next` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """Some items. `next` continues the list; it is null at its end."""

    items: list[Item]
    next: str | None = None


class Paging:
    """Which page of a list is asked for: up to `limit` items after `place`, which is empty for the first page.

    Raises cursor.CursorRefused.
    """

    def __init__(self, request: Request, caller: Asking, limit: Limit = 50, cursor: Cursor = "") -> None:
        self.limit = limit
        self._org_id = caller.org_id
        self._which = cursors.list_of(request)
        self.place = cursors.opened(cursor, self._org_id, self._which) if cursor else []

    @property
    def after(self) -> str:
        """The place in a list that is ordered by one text, or an empty one."""
        return self.place[0] if self.place else ""

    @property
    def more(self) -> int:
        """How many to read: one more than `limit` says whether others follow."""
        return self.limit + 1

    def cut(self, found: Sequence[Item], *keys: str) -> Page[Item]:
        """Return the page of what was found, `more` at most. keys: what the list is ordered by, else `id`."""
        items = list(found[: self.limit])
        if len(found) <= self.limit:
            return Page(items=items)
        place = [str(getattr(items[-1], key)) for key in keys or ("id",)]
        return Page(items=items, next=cursors.sealed(place, self._org_id, self._which))


Paged = Annotated[Paging, Depends(Paging)]
