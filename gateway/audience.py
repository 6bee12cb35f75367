"""How many connections may stay open to be told of events: of one user with their keys, and of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.auth import Caller
from shared.errors import Conflict

OF_ONE = 256
OF_ALL = 768  # below the places of `gateway.connection`: requests need some


class AudienceFull(Conflict):
    """There are as many open connections of this caller, or of all, as there may be."""

    status = 429
    headers = {"Retry-After": "10"}


class Audience:
    """The connections of one gateway. Used in its event loop alone."""

    def __init__(self) -> None:
        self._of: Counter[tuple[str, str]] = Counter()

    def check(self, caller: Caller) -> None:
        """Raise AudienceFull where there is no place for one more."""
        mine, all_of_them = self._of[_name(caller)], self._of.total()
        if mine >= OF_ONE or all_of_them >= OF_ALL:
            whose = f"{mine} of yours" if mine >= OF_ONE else f"{all_of_them}"
            raise AudienceFull(
                f"No place for another connection: {whose} are open.",
                cure="Close some, or follow more topics over one.",
            )

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """Hold a place for the block. Raises AudienceFull."""
        self.check(caller)
        self._of[_name(caller)] += 1
        try:
            yield
        finally:
            self._of[_name(caller)] -= 1
            if not self._of[_name(caller)]:
                del self._of[_name(caller)]


def _name(caller: Caller) -> tuple[str, str]:
    return caller.org_id, caller.counted_for
