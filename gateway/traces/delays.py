"""Rows of times in which a job could not go on, where no span tells of them: waits, back-offs, and being held back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
    began: int
    ended: int
    is_live: bool = False


def before(known: Known, attempt: Attempt, last: Attempt | None) -> Iterator[Row]:
    """Yield the back-off and the wait before an attempt; last: the one before it."""
    delays = _delays(known, attempt.stage, last, attempt.began_at)
    yield from (row for delay in delays if (row := _row(known, attempt.stage, attempt.number, delay)))


def now(known: Known) -> Iterator[Row]:
    """Yield what the job waits for now; of one that is over, the reports that were ordered after that."""
    if not known.run.is_last or _sent_at(known) is None:
        return
    if known.run.ended_at is not None:
        yield from _ordered(known, known.run.ended_at)
        return
    waiting = next((step for step in known.run.job.steps if _is_waiting(step)), None)
    if waiting is None:
        return
    last = known.last(waiting.stage)
    if last is None or last.ended_at is not None:
        for delay in _delays(known, waiting.stage, last, known.at):
            live = replace(delay, is_live=delay.ended == ns(known.at))
            if row := _row(known, waiting.stage, last.number + 1 if last else 1, live):
                yield row


def _ordered(known: Known, since: datetime) -> Iterator[Row]:
    for step in known.run.job.steps:
        if step.part and step.state in _FREE and step.ready_at and step.ready_at > since:
            yield Row(
                id=row_id(known.run, "ordered", step.stage, step.part),
                name=f"wait {step.stage} {step.part}",
                segment=Segment.WAIT,
                began=ns(step.ready_at),
                ended=max(ns(step.ready_at), ns(known.at)),
                job_id=known.run.job.id,
                stage=step.stage,
                part=step.part,
                attempt=step.attempt + 1,
                service=step.stage,
                state=SpanState.LIVE,
                is_from_ledger=True,
            )


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


def _delays(known: Known, stage: StageName, last: Attempt | None, until: datetime) -> Iterator[_Delay]:
    """Yield what lies between the last attempt, or the turn of the stage, and `until`; nothing after a lost attempt."""
    if last and last.next_at and last.ended_at:
        due = min(last.next_at, until)
        yield _Delay(Segment.BACKOFF, ns(last.ended_at), ns(due))
        yield _Delay(Segment.WAIT, ns(due), ns(until))
    elif last is None and (turn := _turn(known, stage, until)):
        yield _Delay(Segment.WAIT, turn, ns(until))


def _row(known: Known, stage: StageName, attempt: int, delay: _Delay) -> Row | None:
    """Return the row of a delay, unless there was none, or a span tells of it."""
    row = Row(
        id=row_id(known.run, delay.segment, stage, str(attempt)),
        name=f"{_NAMES[delay.segment]} {stage}",
        segment=delay.segment,
        began=delay.began,
        ended=delay.ended,
        job_id=known.run.job.id,
        stage=stage,
        attempt=attempt,
        service=stage,
        state=SpanState.LIVE if delay.is_live else SpanState.OK,
        is_from_ledger=True,
    )
    return row if row.ended > row.began and not any(_tells(other, row) for other in known.recorded) else None


def _tells(span: Row, row: Row) -> bool:
    is_delay = span.segment in _NAMES and span.stage is row.stage
    return is_delay and span.began < row.ended and span.ended > row.began


def _is_waiting(step: StepView) -> bool:
    return not step.part and step.ready_at is not None and step.state in _FREE


def _sent_at(known: Known) -> datetime | None:
    return next((event.at for event in known.run.events if event.type is EventType.JOB_QUEUED), None)


def _turn(known: Known, stage: StageName, until: datetime) -> int | None:
    """Return when a stage that began at `until` had its turn: its message was sent then, or its cause was written."""
    sent = [each.began for each in known.recorded if each.segment is Segment.SEND and each.stage is stage]
    told = [ns(each.at) for each in known.run.events if each.type in _TURNS and not each.part]
    turns = [turn for turn in (*told, *sent) if turn <= ns(until)]
    return max(turns, default=None)
