"""Rows of times in which a job could not go on, where no span tells of them: waits, back-offs, and being held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.traces.known import Known, row_id
from gateway.traces.row import Row, ns
from gateway.traces.run import Attempt
from shared.contracts.events import EventType
from shared.contracts.job import StageName, StepState, StepView
from shared.contracts.trace import Segment, SpanState

HELD_FROM_S = 1.0  # a job that was sent sooner was not held back

_FREE = frozenset({StepState.PENDING, StepState.RETRYING})
_TURNS = frozenset({EventType.JOB_CREATED, EventType.JOB_REVIVED, EventType.JOB_QUEUED, EventType.STAGE_FINISHED})
_NAMES = {Segment.WAIT: "wait", Segment.BACKOFF: "back off"}


@dataclass(frozen=True)
class _Delay:
    """is_live: it is not over."""

    segment: Segment
    began_at: datetime
    ended_at: datetime
    is_live: bool = False


def before(known: Known, attempt: Attempt, last: Attempt | None) -> Iterator[Row]:
    """Yield the back-off and the wait before an attempt; last: the one before it."""
    yield from _rows(known, attempt.stage, _delays(known, last, attempt.began_at, is_live=False))


def now(known: Known) -> Iterator[Row]:
    """Yield what the job waits for now."""
    if known.run.ended_at is not None or _sent_at(known) is None or not known.run.is_last:
        return
    waiting = next((step for step in known.run.job.steps if _is_waiting(step)), None)
    if waiting is None:
        return
    last = known.last(waiting.stage)
    if last is None or last.ended_at is not None:
        yield from _rows(known, waiting.stage, _delays(known, last, known.at, is_live=True))


def held_back(known: Known) -> Iterator[Row]:
    """Yield the time in which the job was not sent: it was not due, or had no place among those that may run."""
    run, sent_at = known.run, _sent_at(known)
    until = sent_at or run.ended_at or known.at
    is_held = run.job.due_at or run.job.held_at or sent_at
    if is_held and (until - run.began_at).total_seconds() >= HELD_FROM_S:
        yield Row(
            id=row_id(run, "held"),
            name="wait until due" if run.job.due_at else "wait for a place",
            segment=Segment.WAIT,
            began=ns(run.began_at),
            ended=ns(until),
            job_id=run.job.id,
            state=SpanState.OK if sent_at or run.ended_at else SpanState.LIVE,
            is_from_ledger=True,
        )


def _delays(known: Known, last: Attempt | None, until: datetime, *, is_live: bool) -> Iterator[_Delay]:
    """Yield what lies between the last attempt, or the turn of the stage, and `until`; nothing after a lost attempt."""
    if last and last.next_at and last.ended_at:
        due = min(last.next_at, until)
        yield _Delay(Segment.BACKOFF, last.ended_at, due, is_live and last.next_at > until)
        yield _Delay(Segment.WAIT, due, until, is_live)
    elif last is None and (turn := _turn(known, until)):
        yield _Delay(Segment.WAIT, turn, until, is_live)


def _rows(known: Known, stage: StageName, delays: Iterator[_Delay]) -> Iterator[Row]:
    for delay in delays:
        row = Row(
            id=row_id(known.run, delay.segment, stage, str(ns(delay.began_at))),
            name=f"{_NAMES[delay.segment]} {stage}",
            segment=delay.segment,
            began=ns(delay.began_at),
            ended=ns(delay.ended_at),
            job_id=known.run.job.id,
            stage=stage,
            service=stage,
            state=SpanState.LIVE if delay.is_live else SpanState.OK,
            is_from_ledger=True,
        )
        if row.ended > row.began and not any(_tells(other, row) for other in known.recorded):
            yield row


def _tells(span: Row, row: Row) -> bool:
    is_delay = span.segment in _NAMES and span.stage is row.stage
    return is_delay and span.began < row.ended and span.ended > row.began


def _is_waiting(step: StepView) -> bool:
    return not step.part and step.ready_at is not None and step.state in _FREE


def _sent_at(known: Known) -> datetime | None:
    return next((event.at for event in known.run.events if event.type is EventType.JOB_QUEUED), None)


def _turn(known: Known, until: datetime) -> datetime | None:
    """Return when a stage that began at `until` had its turn."""
    turns = [each.at for each in known.run.events if each.type in _TURNS and not each.part and each.at <= until]
    return turns[-1] if turns else None
