"""What holds a job up, as `vedette jobs explain` says it."""

from __future__ import annotations

from shared.contracts.job import Contract, Waiting


class Explanation(Contract):
    """What holds a job up, or that nothing does. `summary` is a sentence; `running` what works on it now."""

    job_id: str
    state: str
    summary: str
    waiting: Waiting | None = None
    fix: str = ""
    running: str = ""
    facts: list[str] = []
