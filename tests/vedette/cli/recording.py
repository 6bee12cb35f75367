"""A real job from its submission to its end, as the gateway told it (65535 ports of loopback, 2026-11-22)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from shared.contracts.job import JobView


@cache
def frames() -> tuple[JobView, ...]:
    lines = Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(JobView.model_validate_json(line) for line in lines)
