"""Refusals at the door, in the audit. Bounded: whoever tries a million keys must not fill the database."""

from __future__ import annotations

import threading
import time
from typing import Any

import structlog

from gateway import meters
from gateway.auth.peer import network
from shared.errors import Infrastructure
from shared.store import audit
from shared.store.engine import writing

log = structlog.get_logger()

PER_MINUTE = 5  # lines of one action from one address
MAX_ADDRESSES = 4096
NOBODY = "local"  # whose audit has refusals of whoever is not known

_lock = threading.Lock()
_seen: dict[tuple[str, str], tuple[float, int]] = {}


def note(org_id: str, actor: str, action: str, address: str, **detail: Any) -> None:  # noqa: ANN401
    """Write down a refusal. A database that is away makes it no less of one: it is logged."""
    log.warning(action, actor=actor, address=address, **detail)
    meters.refusal(action)
    count = _count(action, network(address))
    if count > PER_MINUTE:
        return
    if count == PER_MINUTE:
        detail = {**detail, "more": "further ones of this minute are in the log alone"}
    try:
        with writing(org_id) as connection:
            audit.add(connection, org_id, actor, action, address=address, **detail)
    except Infrastructure as exc:
        log.warning("refusal.unaudited", action=action, error=exc.code)


def _count(action: str, address: str) -> int:
    with _lock:
        began, count = _seen.get((action, address), (0.0, 0))
        if time.monotonic() - began > 60 or not began:
            began, count = time.monotonic(), 0
        if len(_seen) > MAX_ADDRESSES:
            _seen.clear()
        _seen[action, address] = (began, count + 1)
        return count + 1
