"""Passwords: argon2id by pwdlib. A user who does not exist costs as much time as one who does."""

from __future__ import annotations

import secrets
from functools import cache

from pwdlib import PasswordHash


def hashed(password: str) -> str:
    """Return what is kept of a password."""
    return _hasher().hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password. kept: None for a user who does not exist, of which time must not tell."""
    return _hasher().verify(password, kept or _nobody()) and kept is not None


def made() -> str:
    """Return a new password: 120 random bits."""
    return secrets.token_urlsafe(15)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    return hashed(secrets.token_urlsafe(16))
