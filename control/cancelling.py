"""Jobs that are being cancelled and whose worker is gone: nobody will notice the flag any more, so they end here."""

from __future__ import annotations

import structlog

from shared import bus
from shared.broker import flags, presence
from shared.broker.client import answering
from shared.store import repairs
from shared.store.cancellation import confirm_cancelled
from shared.store.engine import reading, writing

log = structlog.get_logger()

AFTER_S = 10.0  # a stage notices within 5 s, or is killed then
_WHY = "it was being cancelled, and no worker that is there has it"


class Abandoned:
    """Remembers from one round to the next which jobs nobody is at."""

    def __init__(self) -> None:
        self._suspects: frozenset[str] = frozenset()

    def __call__(self) -> int:
        """End the jobs that nobody was at in the last round either; return how many. Raises BrokerAway."""
        with reading() as connection:
            stopping = repairs.stopping(connection, AFTER_S)
        if not stopping:
            self._suspects = frozenset()
            return 0
        with answering() as client:
            flags.flag(client, stopping)  # whoever cancelled could not, or Redis forgot it
            active = {task.task_id.partition(".")[0] for worker in presence.live(client) for task in worker.active}
        gone = frozenset(stopping) - active
        ended = sorted(gone & self._suspects)
        self._suspects = gone.difference(ended)
        for job_id in ended:
            _end(job_id)
        return len(ended)


def _end(job_id: str) -> None:
    with writing() as connection:
        told = repairs.note_repaired(connection, [job_id], "ended as cancelled", _WHY)
        told += confirm_cancelled(connection, job_id)
    bus.publish(told)
    log.warning("reconciler.job.cancelled", job_id=job_id, why=_WHY)
