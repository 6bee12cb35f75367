"""What becomes of a message once its task has ended. The order is: judge, dead-letter or put back, then bookkeeping.

A stage's own failures come as `StageFailed`; everything else happened around it: the child was killed, the hard limit
passed, memory ran out. Those are tried again as often as their class allows, each time counted in the message.
What is relied on in Celery is named in tests/shared/broker/test_contract.py. Why: docs/decisions/0015.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import structlog
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback  # type: ignore[attr-defined]  # its stubs lack one
from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry, TaskRevokedError
from celery.worker import request as stock
from celery.worker.state import task_ready

from shared import telemetry
from shared.broker import children
from shared.broker import message as raw
from shared.broker.letter import bury, settled
from shared.broker.shape import STAGE_TASKS
from shared.contracts.dead_letter import MAX_TRACEBACK, ErrorDetail, Reason
from shared.dlq import StageFailed, detail
from shared.errors import POLICIES, FailureClass, classified
from shared.text import kept

log = structlog.get_logger()

_EXITS = (SystemExit, KeyboardInterrupt)
_StockRequest: Any = stock.Request


@dataclass(frozen=True)
class _Verdict:
    """runs: how many a message may have that ends like this."""

    reason: Reason
    failure_class: FailureClass
    rule: str
    error: ErrorDetail
    runs: int


class Request(_StockRequest):  # type: ignore[misc]  # it has no types
    """The request of every task (`Task.Request`)."""

    is_withdrawn = False

    def __init_subclass__(cls) -> None:
        """Guard what Celery's `create_request_cls` writes anew for each task."""
        execute = cls.execute_using_pool

        def execute_safely(self: Request, pool: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            try:
                return execute(self, pool, **kwargs)
            except TaskRevokedError:
                raise
            except Exception as exc:
                self._settle(exc, "")
                task_ready(self)
                raise TaskRevokedError(self.id) from exc  # the one that gives the child's place back

        cls.execute_using_pool = execute_safely

    @property
    def job_id(self) -> str:
        """The job that the task works for, or an empty text."""
        return self._said("job_id")

    @property
    def about(self) -> dict[str, str]:
        """What a log line binds that speaks of the task."""
        stage = STAGE_TASKS.get(self.name, self.name)
        said = {"job_id": self.job_id, "org_id": self._said("org_id"), "stage": str(stage)}
        return {**said, "trace_id": telemetry.trace_of(str(self.message.headers.get("traceparent") or ""))}

    def _said(self, name: str) -> str:
        try:
            return str(self.args[0][name])
        except (TypeError, LookupError):
            return ""

    def on_failure(self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False) -> None:
        exc = _raised(exc_info)
        is_orderly = isinstance(exc, (Retry, Ignore, Terminated)) or (isinstance(exc, Reject) and _goes_back(exc))
        if is_orderly or self._already_revoked or self._already_cancelled:
            super().on_failure(exc_info, send_failed_event, return_ok)
            return
        if not self.is_withdrawn:
            self._settle(exc, str(exc_info.traceback))
        task_ready(self)
        if send_failed_event:
            self.send_event("task-failed", exception=repr(exc)[:1000], traceback=str(exc_info.traceback)[-1000:])

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if soft:
            super().on_timeout(soft, timeout)
            return
        task_ready(self)  # `on_failure` was called before, with TimeLimitExceeded
        log.error("worker.task.overran", **self.about, task_id=self.id, limit_s=timeout)

    def withdraw(self, why: str) -> None:
        """Kill the child that runs the task, with all its descendants, and put the message back, uncounted."""
        if self.acknowledged or self.is_withdrawn:
            return
        log.warning("worker.task.withdrawn", **self.about, task_id=self.id, why=why)
        self.is_withdrawn = True
        self._kill()
        self._put_back(counted=False)

    def _settle(self, exc: BaseException, trace: str) -> None:
        """Dead-letter the message or put it back, as the way it ended demands."""
        if self.acknowledged:
            return
        if isinstance(exc, TimeLimitExceeded):
            self._kill()  # Celery would, but later than somebody else may begin, and without its descendants
        verdict, deliveries = _judge(exc, trace), raw.described(self.message.headers)["deliveries"]
        if deliveries < verdict.runs:
            log.warning("worker.task.lost", **self.about, task_id=self.id, error=verdict.error.message[:200])
            self._put_back(counted=True, why=self._death(verdict))
        elif verdict.reason is Reason.POISON:
            self._bury(self._poisoned(verdict))
        else:
            self._bury(verdict)

    def _bury(self, verdict: _Verdict) -> None:
        log.error("worker.task.dead", **self.about, task_id=self.id, reason=verdict.reason, rule=verdict.rule)
        bury(
            self.message,
            reason=verdict.reason,
            failure_class=verdict.failure_class,
            rule=verdict.rule,
            error=verdict.error,
            worker=self.hostname,
            memory_bytes=children.sampled(self.worker_pid) if verdict.failure_class is FailureClass.RESOURCE else None,
        )
        self.acknowledged = True

    def _put_back(self, *, counted: bool, why: str = "") -> None:
        message = self.message
        message.channel.qos.requeue(message.delivery_tag, counted=counted, why=why)
        settled(message, "REQUEUED")
        self.acknowledged = True

    def _poisoned(self, verdict: _Verdict) -> _Verdict:
        """Say it as the sweep says it of a worker that fell silent, with what is known here of the last run."""
        payload = {"headers": self.message.headers, "properties": self.message.properties}
        return replace(verdict, error=raw.poison(raw.Held(payload, ""), self._death(verdict)).error)

    def _death(self, verdict: _Verdict) -> str:
        """What is known of the end of a run, for the dead letter that another worker may have to write."""
        peak = children.sampled(self.worker_pid)
        memory = f"; its memory was {peak / children.MB:.0f} MB at most" if peak else ""
        return f"{verdict.error.message.rstrip('.')} ({self.hostname}){memory}"

    def _kill(self) -> None:
        if self.worker_pid:
            children.kill(self.worker_pid)


def _judge(exc: BaseException, trace: str) -> _Verdict:
    if isinstance(exc, StageFailed):
        return _Verdict(Reason.STAGE_FAILED, exc.failure_class, exc.rule, exc.error, 1)
    if isinstance(exc, (*_EXITS, WorkerLostError)):
        said = str(exc) if isinstance(exc, WorkerLostError) else f"The task ended its process: {exc!r}"
        error = ErrorDetail(type=type(exc).__name__, message=said[:500])
        return _Verdict(Reason.POISON, FailureClass.RESOURCE, "deliveries", error, raw.MAX_DELIVERIES)
    chosen = classified(exc)
    runs = 1 + min(POLICIES[chosen.failure_class].retries, raw.MAX_DELIVERIES - 1)
    if isinstance(exc, TimeLimitExceeded):
        error = ErrorDetail(type="TimeLimitExceeded", message=f"It ran past its hard limit of {exc.args[0]:g} s.")
        return _Verdict(Reason.HARD_LIMIT, chosen.failure_class, chosen.rule, error, runs)
    error = detail(exc).model_copy(update={"traceback": kept(trace[-MAX_TRACEBACK:])} if trace else {})
    return _Verdict(Reason.TASK_FAILED, chosen.failure_class, chosen.rule, error, runs)


def _goes_back(exc: Reject) -> bool:
    return bool(getattr(exc, "requeue", False))


def _raised(exc_info: ExceptionInfo) -> BaseException:
    exc: Any = exc_info.exception
    raised: BaseException = exc.exc if isinstance(exc, ExceptionWithTraceback) else exc
    return raised
