"""The only writer of step and job state: takes the step, runs the block, writes result and state in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from opentelemetry import trace

from shared import bus, telemetry
from shared.broker import holding
from shared.broker.client import answering
from shared.broker.limits import CpuTimeExceeded
from shared.contracts.envelope import Envelope
from shared.contracts.job import Failure, JobState, Progress, StageName, StepState
from shared.dlq import StageFailed, detail
from shared.errors import POLICIES, FailureClass, Permanent, classified, classify
from shared.ids import now
from shared.layers.delivery import Delivery
from shared.layers.judgement import Judgement, judge
from shared.layers.progress import Cancelled, Meter
from shared.store import cancellation, ledger
from shared.store.engine import Write, reading, writing
from shared.store.ledger import Key, Superseded, Taken
from shared.store.step import STAGES
from shared.telemetry.attributes import PART
from shared.text import kept

log = structlog.get_logger()


class AlreadyOver(Exception):
    """The step has ended before, or somebody else has it now. `succeeded` says whether the chain may go on.

    failure: why the step failed, where this message is the one that it failed with.
    """

    is_outcome = True  # for its span: no error

    def __init__(self, state: StepState, failure: Failure | None = None) -> None:
        super().__init__(state)
        self.succeeded = state in ledger.DONE
        self.failed = state is StepState.FAILED
        self.failure = failure if self.failed else None


class RetryLater(Exception):
    """The attempt failed and there will be another in `after_s` seconds."""

    def __init__(self, after_s: float) -> None:
        super().__init__(after_s)
        self.after_s = after_s


class PartsPutOff(Exception):
    """Parts of the stage failed and come again in `after_s` seconds; `cause` is the failure of one of them."""

    def __init__(self, cause: Exception, after_s: float) -> None:
        super().__init__(cause)
        self.cause = cause
        self.after_s = after_s


class DeadlinePassed(Permanent):
    """The job was not done by its deadline."""


class NoPartSucceeded(Permanent):
    """Every part of the stage failed."""


@dataclass
class Part:
    """One part of a stage, e.g. one report format. Nothing is to be done when it `is_over`."""

    taken: Taken
    writes: list[Write] = field(default_factory=list)
    summary: str = ""

    @property
    def is_over(self) -> bool:
        return self.taken.is_over

    def keep(self, write: Write) -> None:
        """Have `write` run in the transaction that ends this step: either both happen, or neither."""
        self.writes.append(write)


@dataclass
class Step(Part):
    """The step of a stage in the hands of the one who runs it."""

    delivery: Delivery = field(default_factory=lambda: Delivery("", 0, 0.0))
    deadline: float = 0.0
    deadline_at: datetime | None = None
    meter: Meter = field(default_factory=Meter)
    parts: dict[str, Failure | None] = field(default_factory=dict)
    put_off: list[tuple[Exception, float]] = field(default_factory=list)

    def progress(self, so_far: Progress) -> None:
        """Tell how far the stage is; as often as you like.

        Raises Superseded when somebody else has the step, Cancelled when the job is to stop.
        """
        self.meter.tell(so_far)

    def expect(self, names: Sequence[str]) -> None:
        """Add the parts that this stage only knows now."""
        with writing(self.taken.key.org_id) as connection:
            ledger.add_parts(connection, self.taken.key, names)

    @contextmanager
    def part(self, name: str) -> Iterator[Part]:
        """Run one part as a step of its own. Its failure stays with it; if put off, it comes again alone.

        Raises Cancelled when the job is to stop.
        """
        with telemetry.span(f"{self.taken.key.stage} {name}", {PART: name}):
            yield from self._part(name)

    def _part(self, name: str) -> Iterator[Part]:
        part = Part(_take(replace(self.taken.key, part=name), self.delivery))
        if part.taken.state is StepState.CANCELLED:
            raise Cancelled(f"Job {self.taken.key.job_id} was cancelled.")
        try:
            yield part
            if not part.is_over:
                _commit(part)
            self.parts[name] = part.taken.failure
        except (
            Superseded,
            Cancelled,
            CpuTimeExceeded,
            SoftTimeLimitExceeded,
        ):  # the whole stage has lost its step, or its time
            raise
        except Exception as exc:
            judged = judge(exc, part.taken, self.deadline_at)
            _mark(judged)
            _record(part.taken, judged.failure, judged.after_s, is_attempt=judged.is_attempt)
            if judged.after_s is None:
                self.parts[name] = judged.failure
            else:
                self.put_off.append((exc, judged.after_s))


@contextmanager
def step(stage: StageName, envelope: Envelope, delivery: Delivery) -> Iterator[Step]:
    """Take the stage's step and end it. Raises AlreadyOver, RetryLater or StageFailed, and lets system exits pass."""
    try:
        taken = _take(Key(envelope.job_id, envelope.org_id, stage, envelope.part, envelope.run), delivery)
    except AlreadyOver:
        raise
    except ledger.StepUnknown as exc:
        log.warning("stage.unknown", message=exc.message)
        raise StageFailed(exc.failure_class, classified(exc).rule, detail(exc)) from exc
    except Exception as exc:
        raise _unrecorded(exc, delivery) from exc
    if taken.is_over:
        raise AlreadyOver(taken.state, taken.failure)
    mine = Step(taken, delivery=delivery, deadline=_deadline(stage, envelope, delivery), meter=Meter(taken))
    mine.deadline_at = envelope.deadline_at
    try:
        _check_deadline(stage, envelope)
        yield mine
        _check_put_off(mine)
        _check_parts(mine)
        _commit(mine)
    except Superseded as exc:
        raise _overtaken(taken, delivery) from exc
    except Cancelled as exc:
        raise _stopped(taken, delivery) from exc
    except Exception as exc:
        raise _failed(exc, mine) from exc


def _failed(exc: Exception, mine: Step) -> Exception:
    """Write down that the stage failed, and return what that means for its message."""
    judged = judge(exc.cause if isinstance(exc, PartsPutOff) else exc, mine.taken, mine.deadline_at)
    failure = judged.failure
    after_s = exc.after_s if isinstance(exc, PartsPutOff) else judged.after_s  # the parts have counted their retries
    said = {"failure_class": failure.failure_class, "message": failure.message, "retry_in_s": after_s}
    log.warning("stage.failed", error=failure.code, rule=judged.rule, **said)
    _mark(judged)
    try:
        if _record(mine.taken, failure, after_s, is_attempt=judged.is_attempt):
            return AlreadyOver(StepState.CANCELLED)
    except Superseded:
        return _overtaken(mine.taken, mine.delivery, failure)
    except Exception as away:
        return _unrecorded(away, mine.delivery)
    return judged.stage_failed() if after_s is None else RetryLater(after_s)


def _mark(judged: Judgement) -> None:
    """Say in the current span what failed, as its dead letter would say it."""
    failure, error = judged.failure, judged.error
    known = {"vedette.error.class": str(failure.failure_class), "vedette.error.code": failure.code}
    known |= {"vedette.error.fingerprint": judged.fingerprint}
    telemetry.fail(trace.get_current_span(), error.type or failure.code, kept(failure.message), known)


def _overtaken(taken: Taken, delivery: Delivery, failure: Failure | None = None) -> Exception:
    """Return how the step stands that is not ours any more: another delivery has it, or a lost commit had succeeded."""
    try:
        with reading(taken.key.org_id) as connection:
            state = ledger.state(connection, taken.key)
    except Exception as away:
        return _unrecorded(away, delivery)
    log.warning("stage.overtaken", state=state)
    return AlreadyOver(state if state in ledger.OVER else StepState.CANCELLED, failure)


def _stopped(taken: Taken, delivery: Delivery) -> Exception:
    """Write down that the stage stopped because its job was cancelled; nothing comes after it."""
    try:
        with writing(taken.key.org_id) as connection:
            told = cancellation.confirm_cancelled(connection, taken.key.job_id)
    except Exception as away:
        return _unrecorded(away, delivery)
    bus.publish(told)
    log.info("stage.cancelled")
    return AlreadyOver(StepState.CANCELLED)


def _take(key: Key, delivery: Delivery, abandoned: str = "") -> Taken:
    """Take a step. Raises AlreadyOver where another message is worked on that runs the same stage."""
    try:
        with writing(key.org_id) as connection:
            taken = ledger.take(connection, key, worker=delivery.worker, message=delivery.tag, abandoned=abandoned)
    except ledger.StepHeld as held:
        if held.tag == abandoned or _is_held(held.tag):
            log.warning("stage.duplicate", tag=held.tag)
            raise AlreadyOver(StepState.RUNNING) from held
        return _take(key, delivery, held.tag)
    bus.publish(taken.events)
    return taken


def _is_held(tag: str) -> bool:
    with answering() as client:
        return holding.is_held(client, tag)


def _commit(part: Part) -> None:
    with writing(part.taken.key.org_id) as connection:
        # The step's row is locked first, as by whoever takes it: in the other order the two would wait for each other.
        told = ledger.finish(connection, part.taken, summary=part.summary)
        for write in part.writes:
            write(connection)
    bus.publish(told)
    if part.taken.key.part:
        log.info("part.ended", part=part.taken.key.part, summary=part.summary)
    else:
        log.info("stage.ended", summary=part.summary)


def _record(taken: Taken, failure: Failure, after_s: float | None, *, is_attempt: bool = True) -> bool:
    """Write a failure down; return whether the job ended with it as cancelled: then nobody waits for this step."""
    with writing(taken.key.org_id) as connection:
        if after_s is None:
            told = ledger.fail(connection, taken, failure)
        else:
            told = ledger.retry(connection, taken, failure, now() + timedelta(seconds=after_s), is_attempt=is_attempt)
    bus.publish(told)
    return any(event.data.get("state") == JobState.CANCELLED for event in told)


def _unrecorded(exc: Exception, delivery: Delivery) -> Exception:
    """Return when to come back to a ledger that cannot be written: it will be well again.

    A bug will not; it makes the message a dead letter, and whoever takes that in ends the step.
    """
    if classify(exc) in {FailureClass.PERMANENT, FailureClass.SECURITY}:
        return exc
    log.warning("stage.ledger.away", error=type(exc).__name__, message=str(exc)[:500])
    return RetryLater(POLICIES[FailureClass.INFRASTRUCTURE].wait_s(delivery.retries + 1))


def _check_deadline(stage: StageName, envelope: Envelope) -> None:
    if stage is not STAGES[-1] and envelope.deadline_at and envelope.deadline_at < now():
        raise DeadlinePassed(
            f"The job was not done by {envelope.deadline_at:%Y-%m-%d %H:%M:%S} UTC.", cure="Submit it again."
        )


def _check_put_off(mine: Step) -> None:
    if mine.put_off:
        cause, after_s = max(mine.put_off, key=lambda each: each[1])
        raise PartsPutOff(cause, after_s)


def _check_parts(mine: Step) -> None:
    failures = [failure for failure in mine.parts.values() if failure]
    if failures and len(failures) == len(mine.parts):
        others = f" (and {len(failures) - 1} more like it)" if len(failures) > 1 else ""
        raise NoPartSucceeded(f"{failures[0].message}{others}", cure=failures[0].cure)


def _deadline(stage: StageName, envelope: Envelope, delivery: Delivery) -> float:
    """Return when the stage should stop by itself, on the monotonic clock: a tenth of its limit before the limit.

    The deadline of the job binds all stages but the last, which tells of a deadline that has passed.
    """
    limit_s = delivery.limit_s * 0.9
    if envelope.deadline_at and stage is not STAGES[-1]:
        limit_s = min(limit_s, (envelope.deadline_at - now()).total_seconds())
    return time.monotonic() + limit_s
