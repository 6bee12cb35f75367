"""Passwords: argon2id by pwdlib. A user who does not exist costs as much time as one who does."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pwdlib import PasswordHash

from shared.errors import Temporary

AT_ONCE = 6  # each takes 64 MiB and a thread, of which other requests need some, too
_places = threading.BoundedSemaphore(AT_ONCE)


class TooManyAtOnce(Temporary):
    """As many passwords as may be looked at once are being looked at."""

    status = 429

    def __init__(self) -> None:
        super().__init__("Too many people log in at this moment.", cure="Try again in a moment.")
        self.headers = {"Retry-After": "1"}


def hashed(password: str) -> str:
    """Return what is kept of a password. Raises TooManyAtOnce."""
    with _place():
        return _hasher().hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password. kept: None for a user who does not exist, of which time must not tell.

    Raises TooManyAtOnce.
    """
    known = kept or _nobody()
    with _place():
        return _hasher().verify(password, known) and kept is not None


def made() -> str:
    """Return a new password: 120 random bits."""
    return secrets.token_urlsafe(15)


@contextmanager
def _place() -> Iterator[None]:
    if not _places.acquire(blocking=False):  # who waited would hold the thread
        raise TooManyAtOnce
    try:
        yield
    finally:
        _places.release()


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    return hashed(secrets.token_urlsafe(16))
