"""The runs of a job as its timeline tells them: each a trace of its own, with its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.contracts.events import Event, EventType
from shared.contracts.job import Failure, JobState, JobView, StageName

_ENDS = frozenset(
    {EventType.STAGE_FINISHED, EventType.STAGE_FAILED, EventType.STAGE_RETRYING, EventType.STAGE_CANCELLED}
)
_STAGES = {stage.value: stage for stage in StageName}


@dataclass(frozen=True)
class Attempt:
    """One time that somebody had a step. end: the event that ended it; None: it is not over, or nobody ended it.

    ended_at: when it was over, or was found to be; None: it is not.  next_at: when the next one is due.
    """

    stage: StageName
    part: str
    number: int
    worker: str
    began_at: datetime
    ended_at: datetime | None = None
    end: EventType | None = None
    failure: Failure | None = None
    next_at: datetime | None = None

    @property
    def is_lost(self) -> bool:
        """Whether whoever had it died with it."""
        return self.ended_at is not None and (self.end is None or bool(self.failure and self.failure.is_dead))


@dataclass(frozen=True)
class Run:
    """One run of a job. ended_at: None while it goes on. events: those of this run, oldest first."""

    job: JobView
    number: int
    trace_id: str
    began_at: datetime
    ended_at: datetime | None
    state: JobState
    events: Sequence[Event]

    @property
    def is_last(self) -> bool:
        return self.number == self.job.run


def runs(job: JobView, events: Sequence[Event]) -> list[Run]:
    """Return the runs of a job, the first first. events: all that is kept of it, oldest first."""
    pieces: list[list[Event]] = [[]]
    for event in events:
        if event.type is EventType.JOB_REVIVED:
            pieces.append([])
        pieces[-1].append(event)
    first = job.run - len(pieces) + 1
    traces = [str(piece[0].data.get("last_trace_id", "")) for piece in pieces[1:]] + [job.trace_id]
    return [
        _run(job, max(1, first + place), trace_id, piece)
        for place, (trace_id, piece) in enumerate(zip(traces, pieces, strict=True))
    ]


def attempts(run: Run) -> list[Attempt]:
    """Return the attempts of all steps in the order in which they began.

    One that nobody ended is over when the step is taken again, its stage ends or the job does.
    """
    found: list[Attempt] = []
    taken: dict[tuple[str, str], int] = {}  # places in `found`
    for event in run.events:
        key = event.stage, event.part
        if event.type is EventType.STAGE_STARTED and event.stage in _STAGES:
            _close(found, taken, [key], event.at)
            taken[key] = len(found)
            found.append(_attempt(event))
        elif event.type in _ENDS:
            if (place := taken.pop(key, None)) is not None:
                found[place] = _ended(found[place], event)
            if not event.part:
                _close(found, taken, [each for each in taken if each[0] == event.stage], event.at)
        elif event.type is EventType.JOB_FINISHED:
            _close(found, taken, list(taken), event.at)
    return found


def _run(job: JobView, number: int, trace_id: str, events: Sequence[Event]) -> Run:
    is_last = number == job.run
    end = next((event for event in events if event.type is EventType.JOB_FINISHED), None)
    ended_at = job.finished_at if is_last else end.at if end else events[-1].at if events else job.created_at
    state = job.state if is_last else JobState(end.data["state"]) if end and "state" in end.data else JobState.FAILED
    began_at = events[0].at if number > 1 and events else job.created_at
    return Run(job, number, trace_id, began_at, ended_at, state, events)


def _attempt(event: Event) -> Attempt:
    number, worker = event.data.get("attempt", 1), str(event.data.get("worker", ""))
    return Attempt(_STAGES[event.stage], event.part, int(number), worker, event.at)


def _ended(attempt: Attempt, event: Event) -> Attempt:
    has_failed = event.type in {EventType.STAGE_FAILED, EventType.STAGE_RETRYING}
    next_at = event.data.get("next_attempt_at")
    return replace(
        attempt,
        ended_at=event.at,
        end=event.type,
        failure=Failure.model_validate(event.data) if has_failed else None,
        next_at=datetime.fromisoformat(next_at) if next_at else None,
    )


def _close(
    found: list[Attempt], taken: dict[tuple[str, str], int], keys: Sequence[tuple[str, str]], at: datetime
) -> None:
    for key in keys:
        if key in taken:
            place = taken.pop(key)
            found[place] = replace(found[place], ended_at=at)
