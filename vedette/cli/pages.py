"""Lists that come in pages: read as many as were asked for, and say when there are more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from vedette.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

Item = TypeVar("Item", covariant=True)  # noqa: PLC0105  named for what it is
Found = TypeVar("Found")


class Page(Protocol[Item]):
    """One page; `next` is the cursor of the following one."""

    @property
    def items(self) -> Sequence[Item]: ...
    @property
    def next(self) -> str | None: ...


def upto(limit: int, ask: Callable[[int, str | None], Page[Found]], size: int) -> tuple[list[Found], bool]:
    """Return at most `limit` things, asked for in pages of at most `size`, and whether there are more."""
    found: list[Found] = []
    cursor = None
    while True:
        page = ask(min(limit - len(found), size), cursor)
        found += page.items
        cursor = page.next
        if not cursor or not page.items or len(found) >= limit:
            return found, bool(cursor)


def note_more(session: Session, limit: int, *, is_more: bool) -> None:
    """Say that there are more than were shown, where people read."""
    if is_more and session.output == "table":
        session.note(f"There are more than {limit}; see them with --limit {limit * 5}")
