"""What tests of the ledger do and ask, each in a transaction of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from shared.contracts.events import Event
from shared.contracts.job import Failure, JobView, Progress, StageName, StepView
from shared.ids import now
from shared.store import jobs, ledger, timeline
from shared.store.engine import reading, writing
from shared.store.ledger import Taken

SCAN, PROCESS, REPORT, NOTIFY = StageName
BROKEN = Failure(code="broken", failure_class="permanent", message="It broke: \x00 \ud800.", cure="Mend it.")


def fail_step(taken: Taken, failure: Failure = BROKEN) -> None:
    with writing() as connection:
        ledger.fail(connection, taken, failure)


def retry_step(taken: Taken) -> None:
    with writing() as connection:
        ledger.retry(connection, taken, BROKEN, now() + timedelta(seconds=9))


def note_progress(taken: Taken) -> None:
    with writing() as connection:
        ledger.progress(connection, taken, Progress(done=1, total=2))


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def step(job_id: str, stage: StageName, part: str = "") -> StepView:
    return next(each for each in view(job_id).steps if (each.stage, each.part) == (stage, part))


def states(job_id: str) -> list[str]:
    """The states of the stages, in their order."""
    return [each.state.value for each in view(job_id).steps if not each.part]


def events(job_id: str) -> list[Event]:
    with reading() as connection:
        return timeline.of_job(connection, job_id)


def told(job_id: str) -> list[str]:
    return [event.type.value for event in events(job_id)]


def at_once(count: int, do: Callable[[int], object]) -> list[object]:
    """Run `do` in `count` threads that start together; what each returned or raised."""
    gate = threading.Barrier(count)

    def one(number: int) -> object:
        gate.wait(10)
        try:
            return do(number)
        except Exception as exc:  # noqa: BLE001  the test looks at it
            return exc

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))
