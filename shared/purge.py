"""Emptying a queue: the jobs that wait in it are cancelled, and messages of no job become dead letters.

Nothing is lost on the way: a job is cancelled in the store before its message goes, and what is no job's is moved in
one step. Messages in the hands of workers are left alone; of a job that runs already only the message goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from shared import intervention
from shared.broker import removal
from shared.broker.client import answering
from shared.broker.removal import Waiting
from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.lanes import STAGE_OF
from shared.contracts.queues import Purge
from shared.errors import Conflict, FailureClass
from shared.store import cancels
from shared.store.engine import reading

STEP = 200  # messages looked at, and jobs cancelled, together
LIMIT = 5000  # messages of one purge: some seconds
ID_LENGTH = 36


class MoreWaiting(Conflict):
    """More would be purged than the caller thinks. `extension` says how many."""

    def __init__(self, queue: str, found: int, expected: int | None) -> None:
        thought = f", not {expected}" if expected is not None else ""
        super().__init__(
            f"{found} jobs and messages wait in {queue}{thought}.", cure=f"Look at it, then send `expect: {found}`."
        )
        self.extension = {"count": found}


@dataclass
class _Sorted:
    """Messages by what becomes of them.

    jobs: by organisation, id and message.  idle: of jobs that have ended, or whose stage runs already or is over.
    """

    jobs: dict[str, dict[str, list[Waiting]]] = field(default_factory=dict)
    idle: list[Waiting] = field(default_factory=list)
    strays: list[Waiting] = field(default_factory=list)

    @property
    def counts(self) -> tuple[int, int]:
        return sum(len(each) for each in self.jobs.values()), len(self.strays)


def forecast(queue: str) -> Purge:
    """Return what a purge would do. Raises BrokerAway."""
    counts = [found.counts for found in _look(queue)]  # not kept themselves: messages may be large
    return Purge(queue=queue, jobs=sum(jobs for jobs, _ in counts), messages=sum(m for _, m in counts), dry_run=True)


def purge(queue: str, by: str, *, expect: int | None) -> Purge:
    """Empty a queue, of at most `LIMIT` messages; return what was done.

    expect: how many jobs and messages may go. Raises MoreWaiting when there are more, and BrokerAway.
    """
    seen = forecast(queue)
    if expect is None or seen.jobs + seen.messages > expect:
        raise MoreWaiting(queue, seen.jobs + seen.messages, expect)
    jobs = messages = looked_at = 0
    while looked_at < LIMIT and (some := _first(queue, min(STEP, expect - jobs - messages))):
        found = _sorted(queue, some)  # whatever it is, it goes, so the next look sees what is behind it
        looked_at += len(some)
        jobs += _cancel(found, by)
        messages += _bury(found, queue, by)
    return Purge(queue=queue, jobs=jobs, messages=messages, dry_run=False)


def _first(queue: str, limit: int) -> list[Waiting]:
    with answering() as client:
        return removal.peek(client, queue, limit) if limit > 0 else []


def _look(queue: str) -> Iterator[_Sorted]:
    seen = 0
    with answering() as client:
        for messages in removal.every(client, queue, STEP):
            yield _sorted(queue, messages)
            seen += len(messages)
            if seen >= LIMIT:
                return


def _sorted(queue: str, messages: Sequence[Waiting]) -> _Sorted:
    ids = {message.task_id[:ID_LENGTH] for message in messages} - {""}
    with reading() as connection:
        owners = cancels.owners(connection, ids, STAGE_OF[queue])
    found = _Sorted()
    for message in messages:
        job_id = message.task_id[:ID_LENGTH]
        org_id, is_waiting = owners.get(job_id, ("", False))
        if not org_id:
            found.strays.append(message)
        elif is_waiting:
            found.jobs.setdefault(org_id, {}).setdefault(job_id, []).append(message)
        else:
            found.idle.append(message)
    return found


def _cancel(found: _Sorted, by: str) -> int:
    """Cancel the jobs and take their messages away; return how many jobs this call cancelled."""
    count = 0
    for org_id, jobs in found.jobs.items():
        count += sum(one.is_new for one in intervention.cancel(org_id, list(jobs), by))
    gone = [message for jobs in found.jobs.values() for messages in jobs.values() for message in messages]
    with answering() as client:
        for message in gone + found.idle:
            removal.remove(client, message)
    return count


def _bury(found: _Sorted, queue: str, by: str) -> int:
    purged = DeadLetterEntry(
        reason=Reason.UNDELIVERABLE,
        failure_class=FailureClass.PERMANENT,
        rule="purged",
        queue=queue,
        error=ErrorDetail(type="Purged", code="purged", message=f"{queue} was purged by {by}; this is of no job."),
    )
    with answering() as client:
        return sum(
            removal.remove(
                client,
                message,
                message.refusal(queue) or purged.model_copy(update={"task_id": message.task_id[:200]}),
            )
            for message in found.strays
        )
