"""Why a job is not running right now: from its steps and one look at the broker, so that it is computed, not guessed.

For lists: one look serves all their jobs. `shared.explanation` asks more, for one job.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.broker.presence import WorkerRecord
from shared.broker.view import BrokerView
from shared.contracts.job import JobState, JobView, StageName, StepState, StepView, Waiting, WaitingReason
from shared.contracts.lanes import LANES
from shared.ids import now
from shared.settings import settings
from shared.text import clock, plural, spell

FRESH_S = 5.0  # within this of its beginning, what a step does cannot be seen everywhere yet
OPEN = (StepState.PENDING, StepState.RUNNING, StepState.RETRYING)


def waiting(view: BrokerView, job: JobView) -> Waiting | None:
    """Return what a job waits for, or None where it is over, is being worked on, or is being cancelled."""
    if job.state.is_terminal or job.state is JobState.CANCELLING:
        return None
    turn = turn_of(view, job)
    if job.state is JobState.SCHEDULED:
        return turn.not_due()
    if not turn.step.ready_at:
        return turn.upstream()
    return None if turn.is_running else _idle(turn)


def _idle(turn: Turn) -> Waiting:
    """Return why a step whose turn it is does not run. The first reason that holds keeps all others from mattering."""
    if turn.job.held_at:
        return turn.org_limit()
    if turn.view.is_down:
        return turn.broker_down()
    if turn.step.next_attempt_at and turn.step.next_attempt_at > now():
        return turn.back_off(turn.step.next_attempt_at)
    if turn.view.depth(turn.queue).paused:
        return turn.paused()
    if not turn.view.consumers(turn.queue):
        return turn.no_consumer()
    return turn.worker_lost() if turn.step.state is StepState.RUNNING else turn.queued()


def turn_of(view: BrokerView, job: JobView) -> Turn:
    """Return the step whose turn it is in a job that is not over."""
    stages = [step for step in job.steps if not step.part and step.state in OPEN]
    return Turn(view, job, next((step for step in stages if step.ready_at), stages[0] if stages else job.steps[-1]))


@dataclass(frozen=True)
class Turn:
    """A step whose turn it is, and the broker that it depends on. Each method words one reason."""

    view: BrokerView
    job: JobView
    step: StepView

    @property
    def queue(self) -> str:
        return self.job.lane if self.step.stage is StageName.SCAN else LANES[self.step.stage][0]

    @property
    def task_id(self) -> str:
        return f"{self.job.id}.{self.step.stage}"

    @property
    def since(self) -> datetime | None:
        return self.step.next_attempt_at or self.step.ready_at

    @property
    def is_fresh(self) -> bool:
        return self.since is not None and (now() - self.since).total_seconds() < FRESH_S

    @property
    def is_running(self) -> bool:
        """Whether the worker that took the step still has it, as far as one can see."""
        workers = {worker.hostname for worker in self.view.live}
        unseen = self.view.is_down or self.is_fresh or not (self.view.live or self.view.lost)
        return self.step.state is StepState.RUNNING and (unseen or self.step.worker in workers)

    def held_up(self, reason: WaitingReason, why: str, fix: str = "", *, next_at: datetime | None = None) -> Waiting:
        step = self.step
        return Waiting(
            reason=reason,
            stage=step.stage,
            queue=self.queue,
            since=self.since,
            why=why,
            fix=fix,
            next_at=next_at,
            attempt=step.attempt or None,
        )

    def not_due(self) -> Waiting:
        due_at = self.job.due_at
        when = f"before {clock(due_at)} (in {spell((due_at - now()).total_seconds())})" if due_at else "yet"
        return self.held_up(WaitingReason.NOT_DUE, f"it is not due {when}", next_at=due_at)

    def upstream(self) -> Waiting:
        return self.held_up(WaitingReason.UPSTREAM_STAGE, f"the stage before {self.step.stage} has not ended")

    def org_limit(self, active: int | None = None, limit: int | None = None) -> Waiting:
        """Held back. active, limit: jobs of the organisation under way, and how many may be, where they are known."""
        numbers = f": {active} of {limit} are under way" if limit is not None else ""
        why = f"{self.job.org_id} has as many jobs at once as it may{numbers}"
        found = self.held_up(WaitingReason.ORG_LIMIT, why, "vedette api GET quota")
        return found.model_copy(update={"since": self.job.held_at})

    def broker_down(self) -> Waiting:
        why = "the broker does not answer; the job is safe in the database and goes on when it is back"
        return self.held_up(WaitingReason.BROKER_DOWN, why, "vedette doctor")

    def back_off(self, at: datetime) -> Waiting:
        failure = self.step.failure
        failed = f"attempt {self.step.attempt} failed ({failure.message.rstrip('.')})" if failure else "it failed"
        why = f"{failed}; the next is at {clock(at)} (in {spell((at - now()).total_seconds())})"
        return self.held_up(WaitingReason.RETRY_BACKOFF, why, next_at=at)

    def paused(self) -> Waiting:
        pause = self.view.depth(self.queue).paused
        by, since, reason = (pause.by, pause.since, pause.reason) if pause else ("", now(), "")
        said = f": {reason}" if reason else ""
        why = f"{self.queue} was paused by {by or 'somebody'} at {clock(since)}{said}"
        found = self.held_up(WaitingReason.QUEUE_PAUSED, why, f"vedette queues resume {self.queue}")
        return found.model_copy(update={"by": by})

    def no_consumer(self) -> Waiting:
        left_at = self.view.last_seen(self.queue)
        left = f" (the last one left at {clock(left_at)})" if left_at else ""
        return self.held_up(WaitingReason.NO_CONSUMER, f"no worker consumes {self.queue}{left}", self._more_workers())

    def worker_lost(self) -> Waiting:
        name = self.step.worker or "its worker"
        known: WorkerRecord | None = next((w for w in self.view.lost if w.hostname == name), None)
        within_s = 2 * settings().lease_s
        if known:
            within_s = max(within_s - (now() - known.seen_at).total_seconds(), 0.0)
        why = f"{name} was lost; its delivery comes back " + (f"within {spell(within_s)}" if within_s >= 1 else "now")
        return self.held_up(WaitingReason.WORKER_LOST, why, "vedette workers list")

    def queued(self) -> Waiting:
        """It waits in its queue; where in it is not known yet."""
        total = self.view.depth(self.queue).total
        if total > 1 and not self.view.free(self.queue):
            why = f"{total} messages wait in {self.queue}, and {self.all_busy()}"
            return self.held_up(WaitingReason.BEHIND_N, why, self._more_workers())
        return self.next()

    def busy(self) -> Waiting:
        return self.held_up(WaitingReason.WORKERS_BUSY, f"it is next, and {self.all_busy()}", self._more_workers())

    def behind(self, ahead: int, run_s: float | None) -> Waiting:
        """Behind `ahead` messages, in a stage that takes `run_s` seconds of late."""
        wait_s = ahead * run_s / max(self.view.slots(self.queue), 1) if run_s is not None else None
        when = f"; it begins in about {spell(wait_s)}" if wait_s is not None else ""
        next_at = datetime.fromtimestamp(now().timestamp() + wait_s, now().tzinfo) if wait_s is not None else None
        why = f"it is behind {plural(ahead, 'message')} in {self.queue}, and {self.all_busy()}{when}"
        found = self.held_up(WaitingReason.BEHIND_N, why, self._more_workers(), next_at=next_at)
        return found.model_copy(update={"ahead": ahead})

    def next(self) -> Waiting:
        """No message is before it."""
        if self.view.free(self.queue):
            return self.held_up(WaitingReason.STARTING, "a worker takes it in this moment")
        return self.busy()

    def message_lost(self) -> Waiting:
        why = "no queue and no worker has its message; the reconciler sends it again within half a minute"
        return self.held_up(WaitingReason.MESSAGE_LOST, why, "vedette logs control")

    def all_busy(self) -> str:
        workers = self.view.consumers(self.queue)
        slots = self.view.slots(self.queue)
        places = f"all {slots} places" if slots > 1 else "the one place"
        return f"{places} of {plural(len(workers), 'worker')} {'are' if slots > 1 else 'is'} taken"

    def _more_workers(self) -> str:
        return f"celery -A services.{self.step.stage} worker --queues {self.queue}"
