"""Identifiers and the clock: UUIDv7 (RFC 9562, sorts by time) and UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import uuid_utils


def new_id() -> str:
    return str(uuid_utils.uuid7())


def first_id(at: datetime) -> str:
    """Return the least id that can have been made at this moment or after it."""
    digits = f"{int(at.timestamp() * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def now() -> datetime:
    return datetime.now(UTC)


def seconds(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from `start` to `end`, to the millisecond, or None while one of them is open."""
    return round(max((end - start).total_seconds(), 0.0), 3) if start and end else None
