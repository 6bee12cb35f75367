"""Log-ins that fail: so many per account and per address (of IPv6: per /64), and then none for a while."""

from __future__ import annotations

import hashlib
import math

from limits import RateLimitItem, RateLimitItemPerMinute

from gateway.auth import refusals
from gateway.auth.peer import network
from gateway.window import Windows
from shared.errors import External

ACCOUNT = RateLimitItemPerMinute(10, 15)  # in a quarter of an hour
ADDRESS = RateLimitItemPerMinute(30, 15)

_windows = Windows()


class TooManyLogins(External):
    """Too many log-ins failed for this account, or from this address."""

    status = 429

    def __init__(self, kind: str, wait_s: float) -> None:
        cure = f"Try again in {math.ceil(max(wait_s, 1.0) / 60)} min."
        super().__init__(f"Too many log-ins failed for this {kind}.", cure=cure)
        self.retry_after_s = max(wait_s, 1.0)


def check(email: str, address: str) -> None:
    """Raise TooManyLogins where another attempt is not even looked at. email: empty where it names no account."""
    for limit, kind, what in _counted(email, address):
        left, wait_s = _windows.left(limit, "login", kind, what)
        if left <= 0:
            refusals.note(refusals.NOBODY, f"user:{email}" if email else "nobody", "login.throttled", address, by=kind)
            raise TooManyLogins(kind, wait_s)


def failed(email: str, address: str) -> None:
    """Count a log-in that failed."""
    for limit, kind, what in _counted(email, address):
        _windows.hit(limit, "login", kind, what)


def succeeded(email: str) -> None:
    """Forget the failures of an account; those of the address stay."""
    _windows.clear(ACCOUNT, "login", "account", _mark(email))


def _counted(email: str, address: str) -> list[tuple[RateLimitItem, str, str]]:
    by_address = (ADDRESS, "address", network(address))
    return [(ACCOUNT, "account", _mark(email)), by_address] if email else [by_address]


def _mark(email: str) -> str:
    return hashlib.sha256(email.lower().encode()).hexdigest()[:32]
