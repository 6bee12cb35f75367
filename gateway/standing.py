"""Jobs with what they wait for: one look at the broker serves all of a page, and none is needed when all are over."""

from __future__ import annotations

from collections.abc import Sequence

from shared.broker.view import look
from shared.contracts.job import JobView
from shared.waiting import waiting


def standing(jobs: Sequence[JobView]) -> list[JobView]:
    """Return the jobs with their `waiting`. A broker that is away is what they wait for then."""
    if all(job.state.is_terminal for job in jobs):
        return list(jobs)
    view = look()
    return [job.model_copy(update={"waiting": waiting(view, job)}) for job in jobs]
