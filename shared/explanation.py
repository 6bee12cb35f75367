"""What holds one job up, or what works on it, in sentences, with the command that helps."""

from __future__ import annotations

from shared.broker import depth
from shared.broker.client import BrokerAway, answering
from shared.broker.view import BrokerView
from shared.contracts.events import EventType
from shared.contracts.job import JobState, JobView, StepState, Waiting, WaitingReason
from shared.contracts.waiting import Explanation
from shared.ids import now
from shared.store import pace, quotas, timeline
from shared.store.engine import Connection
from shared.text import clock, plural, spell
from shared.waiting import Turn, turn_of, waiting

_ASK = {WaitingReason.BEHIND_N, WaitingReason.WORKERS_BUSY, WaitingReason.STARTING, WaitingReason.WORKER_LOST}


def explain(connection: Connection, view: BrokerView, job: JobView) -> Explanation:
    """Return what holds a job up: the place of its message is looked up, and its start estimated."""
    if job.state.is_terminal:
        return _over(job)
    if job.state is JobState.CANCELLING:
        return _cancelling(job)
    turn = turn_of(view, job)
    found = waiting(view, job)
    if not view.is_down and (found is None or found.reason in _ASK):
        found = _looked_up(connection, turn, found)
    if found and found.reason is WaitingReason.ORG_LIMIT:
        found = turn.org_limit(*quotas.places(connection, job.org_id))
    facts = _facts(connection, job)
    if found is None:
        running = _running(turn)
        return Explanation(job_id=job.id, state=job.state, summary=f"running: {running}", running=running, facts=facts)
    summary = f"{_doing(turn, found)}, because {found.why}"
    return Explanation(job_id=job.id, state=job.state, summary=summary, waiting=found, fix=found.fix, facts=facts)


def _looked_up(connection: Connection, turn: Turn, found: Waiting | None) -> Waiting | None:
    """Return what a look at its message makes of the first answer."""
    if found is None and turn.view.holder(turn.task_id):
        return None
    try:
        with answering() as client:
            ahead = depth.position(client, turn.queue, turn.task_id)
            is_held = ahead is None and turn.task_id in depth.present(client, ())
    except BrokerAway:
        return turn.broker_down()
    if ahead is not None:
        is_next = ahead == 0 or turn.view.free(turn.queue)
        return turn.next() if is_next else turn.behind(ahead, pace.run_s(connection, turn.step.stage))
    if is_held:
        return found if turn.step.state is StepState.RUNNING else turn.next()
    return found if turn.is_fresh else turn.message_lost()


def _over(job: JobView) -> Explanation:
    ended = f" at {clock(job.finished_at)}" if job.finished_at else ""
    why = f": {job.failure.message}" if job.failure else ""
    fixes = {
        JobState.FAILED: f"vedette jobs retry {job.id}",
        JobState.DEAD: f"vedette dlq list -q job:{job.id}",
        JobState.PARTIAL: f"vedette jobs retry {job.id}",
        JobState.CANCELLED: f"vedette jobs rerun {job.id}",
    }
    words = {JobState.DEAD: "is dead,", JobState.PARTIAL: "ended as partial", JobState.CANCELLED: "was cancelled"}
    summary = f"nothing: it {words.get(job.state, job.state)}{ended}{why}"
    return Explanation(job_id=job.id, state=job.state, summary=summary, fix=fixes.get(job.state, ""))


def _cancelling(job: JobView) -> Explanation:
    by = f" by {job.cancelled_by}" if job.cancelled_by else ""
    summary = f"it is being cancelled{by}: its stage stops at the next sign of progress, or is killed after 5 s"
    return Explanation(job_id=job.id, state=job.state, summary=summary)


def _doing(turn: Turn, found: Waiting) -> str:
    if turn.job.state is JobState.SCHEDULED:
        return "scheduled"
    held = f" for {spell((now() - found.since).total_seconds())}" if found.since and found.since < now() else ""
    word = {StepState.RETRYING: "retrying", StepState.RUNNING: "interrupted"}.get(turn.step.state, "queued")
    return f"{word}{held} in {found.queue}"


def _running(turn: Turn) -> str:
    """Return what works on a step, since when and how far it is."""
    step = turn.step
    worker = turn.view.holder(turn.task_id)
    task = next((task for task in worker.active if task.task_id == turn.task_id), None) if worker else None
    since = task.since if task else step.started_at
    words = [f"{step.stage} on {step.worker or 'a worker'}"]
    if since:
        words.append(f"since {clock(since)} ({spell((now() - since).total_seconds())})")
    if step.progress and step.progress.total:
        words.append(f"{step.progress.done} of {step.progress.total} {step.progress.unit}")
    if step.attempt > 1:
        words.append(f"attempt {step.attempt}")
    return ", ".join(words)


def _facts(connection: Connection, job: JobView) -> list[str]:
    found = []
    events = timeline.of_job(connection, job.id)
    if repaired := [event for event in events if event.type is EventType.JOB_REPAIRED]:
        what, why = (str(repaired[-1].data.get(name, "")) for name in ("what", "why"))
        found.append(
            f"repaired {plural(len(repaired), 'time')}, the last at {clock(repaired[-1].at)}: {what}, as {why}"
        )
    if job.run > 1:
        found.append(f"this is run {job.run} of the job")
    if job.deadline_at:
        left_s = (job.deadline_at - now()).total_seconds()
        passed = f"it must be done by {clock(job.deadline_at)}, in {spell(left_s)}"
        found.append(passed if left_s > 0 else f"its deadline passed at {clock(job.deadline_at)}")
    return found
