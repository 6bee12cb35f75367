"""A batch: what one submission of several targets made, and how far it is."""

from __future__ import annotations

from datetime import datetime

from shared.contracts.job import Contract, JobState

MAX_ENTRIES = 10_000  # target entries of one batch


class BatchView(Contract):
    """A batch as people see it.

    total: its jobs.  states: how many are in which state.  severities: of the findings of all its jobs.
    progress: the share that is over, from 0 to 1.  finished_at: when the last one ended, once all have.
    """

    id: str
    org_id: str
    name: str = ""
    total: int
    states: dict[JobState, int] = {}
    severities: dict[str, int] = {}
    progress: float = 0.0
    trace_id: str = ""
    created_by: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        return sum(count for state, count in self.states.items() if state.is_terminal) >= self.total
