"""How many messages and events could not be verified, by reason: `signature_failures_total`. Any at all is an alarm."""

from __future__ import annotations

import time
from collections.abc import Mapping

from shared.broker import keys
from shared.broker.client import answering
from shared.contracts.dead_letter import UNVERIFIED

REASONS = sorted(reason.value for reason in UNVERIFIED)


def count(refused: Mapping[str, int]) -> None:
    """Add to the numbers, and keep when that was. Raises BrokerAway."""
    known = {reason: number for reason, number in refused.items() if reason in REASONS}
    with answering() as client:
        for reason, number in known.items():
            client.hincrby(keys.REFUSALS, reason, number)
        if known:
            client.hset(keys.REFUSALS, keys.LAST_REFUSAL, int(time.time()))


def counts() -> dict[str, int]:
    """Return the numbers by reason, those that are 0 too. Raises BrokerAway."""
    with answering() as client:
        found = client.hmget(keys.REFUSALS, REASONS)
    return {reason: _number(value) for reason, value in zip(REASONS, found, strict=True)}


def _number(value: bytes | str | None) -> int:
    return int(value) if value and value.isdigit() else 0
