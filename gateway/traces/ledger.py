"""Rows of what nobody recorded as a span: the job, attempts that run now or died, and what waits now.

Where nothing was recorded they are the whole trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from gateway.traces import delays
from gateway.traces.known import Known, row_id
from gateway.traces.row import Row, error_of, ns
from gateway.traces.run import Attempt, Run
from shared.contracts.job import JobState
from shared.contracts.trace import Segment, SpanError, SpanState

_FAILED = frozenset({JobState.FAILED, JobState.DEAD})
_DIED = SpanError(type="WorkerLost", code="worker-lost", message="Whoever worked on it died, or lost it.")


def job(run: Run, span_id: str, at: datetime) -> Row:
    """Return the row of the job itself, until `at` where it is not over. span_id: of its span, empty if not known."""
    failure = run.job.failure if run.is_last else None
    state = SpanState.LIVE if run.ended_at is None else SpanState.ERROR if run.state in _FAILED else SpanState.OK
    return Row(
        id=span_id or row_id(run, "job"),
        name="job",
        segment=Segment.JOB,
        began=ns(run.began_at),
        ended=max(ns(run.began_at), ns(run.ended_at or at)),
        job_id=run.job.id,
        state=state,
        error=error_of(failure) if failure and state is SpanState.ERROR else None,
        is_from_ledger=True,
    )


def missing(run: Run, attempts: Sequence[Attempt], recorded: Sequence[Row], at: datetime) -> list[Row]:
    """Return the rows of what `recorded` lacks of this run and its attempts, as it stands at `at`."""
    known = Known.of(run, attempts, recorded, at)
    found = list(delays.held_back(known))
    for place, attempt in enumerate(attempts):
        if not known.has(attempt):
            if not attempt.part:
                found += delays.before(known, attempt, known.last(attempt.stage, place))
            found.append(_row(known, attempt))
    return [*found, *delays.now(known)]


def _row(known: Known, attempt: Attempt) -> Row:
    return Row(
        id=row_id(known.run, "run", attempt.stage, attempt.part, str(attempt.number)),
        name=f"{attempt.stage} {attempt.part}" if attempt.part else f"run {attempt.stage}",
        segment=Segment.WORK if attempt.part else Segment.RUN,
        began=ns(attempt.began_at),
        ended=_end(known, attempt),
        parent=_parent(known, attempt),
        job_id=known.run.job.id,
        stage=attempt.stage,
        part=attempt.part,
        attempt=attempt.number,
        service=attempt.stage,
        state=_state(attempt),
        error=error_of(attempt.failure) if attempt.failure else _DIED if attempt.is_lost else None,
        is_from_ledger=True,
        attributes={"vedette.worker": attempt.worker},
    )


def _parent(known: Known, attempt: Attempt) -> str:
    """Return the row of the attempt of its stage that a part was of; of a part that was ordered alone, none."""
    if not attempt.part:
        return ""
    above = known.last(attempt.stage, known.attempts.index(attempt))
    is_above = above and (above.ended_at is None or above.ended_at >= attempt.began_at)
    return row_id(known.run, "run", above.stage, "", str(above.number)) if above and is_above else ""


def _end(known: Known, attempt: Attempt) -> int:
    """Return when an attempt ended; a lost one, at the latest when its message was back in the queue.

    It was told by the clock of another machine, so it may have begun in the future.
    """
    ended = max(ns(attempt.began_at), ns(attempt.ended_at or known.at))
    return min([ended, *_waits(known, attempt, ended)]) if attempt.is_lost else ended


def _waits(known: Known, attempt: Attempt, until: int) -> Iterator[int]:
    for row in known.recorded:
        if row.segment is Segment.WAIT and row.stage is attempt.stage and ns(attempt.began_at) < row.began < until:
            yield row.began


def _state(attempt: Attempt) -> SpanState:
    if attempt.is_lost:
        return SpanState.LOST
    if attempt.ended_at is None:
        return SpanState.LIVE
    return SpanState.ERROR if attempt.failure else SpanState.OK
