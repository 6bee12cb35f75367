"""What people do to jobs: cancel, retry, resume, rerun. Each leaves a line in the audit and an event in the timeline.

What will be scanned again is checked again first: what was allowed then may be forbidden now. A broker that is away
is no failure: what is in the store is sent when it is back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from shared import admission, bus, pipeline, policy, registry
from shared.broker import flags
from shared.broker.client import BrokerAway, answering
from shared.contracts.job import JobState, JobView, StageName
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel
from shared.errors import Conflict, Infrastructure
from shared.policy import Reach, TargetRefused
from shared.store import audit, cancellation, jobs, plugins, refusals, revival, scan_rules, timeline
from shared.store.cancellation import Cancelled
from shared.store.engine import Connection, reading, writing
from shared.store.revival import JobNotOver, Reopened
from shared.store.step import DONE

log = structlog.get_logger()

Noting = Callable[[Connection, Sequence[str]], None]


class JobOver(Conflict):
    """The job has ended, so that there is nothing to cancel."""


class PluginGone(Conflict):
    """The job wants a report format or a channel that no worker has any more."""


def cancel(org_id: str, ids: Sequence[str], by: str) -> list[Cancelled]:
    """Cancel jobs, whatever they are at; what became of each, in the order of `ids`. Twice is once.

    What runs is told by a flag in the broker; without one its stage asks the store, less often.
    """
    with writing(org_id) as connection:
        done = cancellation.cancel(connection, ids, org_id, by)
        for one in done:
            if one.is_new:
                audit.add(connection, org_id, by, "job.cancel", f"job:{one.job_id}")
    bus.publish([event for one in done for event in one.events])
    flag([one.job_id for one in done if one.state is JobState.CANCELLING])
    return done


def cancel_one(org_id: str, job_id: str, by: str) -> Cancelled:
    """Cancel one job. Raises JobNotFound, and JobOver when it had ended otherwise."""
    [done] = cancel(org_id, [job_id], by)
    if done.state is None:
        raise jobs.JobNotFound(f"There is no job {job_id}.", cure="List them: vedette jobs list")
    if done.state.is_terminal and done.state is not JobState.CANCELLED:
        raise JobOver(f"Job {job_id} is over: {done.state}.", cure="There is nothing left to cancel.")
    return done


def retry(org_id: str, job_id: str, by: str) -> Reopened:
    """Revive a job from the first stage that did not succeed; what did is not done again.

    Raises JobNotFound, JobNotOver, NothingFailed, and what `policy.check` does.
    """
    return _revive(org_id, job_id, None, by)


def resume(org_id: str, job_id: str, stage: StageName, by: str) -> Reopened:
    """Revive a job from `stage` on, which is done again even if it had succeeded. Raises as `retry`; StageMissing."""
    return _revive(org_id, job_id, stage, by)


def rerun(org_id: str, job_id: str, by: str, note: Noting | None = None, counted_for: str = "") -> str:
    """Submit the request of a job again, to begin at once, as a new job; return its id.

    note: gets the new id in the transaction that makes the job.  counted_for: see `NewJob`.

    Raises JobNotFound, PluginGone, and what `policy.check` does.
    """
    with reading(org_id) as connection:
        origin = jobs.traceparent(connection, jobs.view(connection, job_id, org_id).id)
        asked, options = jobs.request(connection, job_id)
        _check_plugins(connection, options)
        within = scan_rules.reach(connection, org_id)
    target = registry.target(asked)
    _check_target(org_id, target, within, f"job:{job_id}", by)
    made = admission.draft(org_id, target, options.model_copy(update={"not_before": None}), linked_to=origin)
    with writing(org_id) as connection:
        [new_id] = admission.write(connection, [replace(made, origin_id=job_id)], by, counted_for)
        if note:
            note(connection, [new_id])
        audit.add(connection, org_id, by, "job.rerun", f"job:{job_id}", new_job_id=new_id)
    with reading(org_id) as connection:
        bus.publish(timeline.of_job(connection, new_id))
    _send(new_id)
    return new_id


def flag(ids: Sequence[str]) -> None:
    """Tell whoever runs these jobs to stop. Without the broker nobody hears it now; the store says it too."""
    if not ids:
        return
    try:
        with answering() as client:
            flags.flag(client, ids)
    except BrokerAway as exc:
        log.warning("intervention.flag.failed", jobs=len(ids), error=type(exc).__name__)


def _revive(org_id: str, job_id: str, first: StageName | None, by: str) -> Reopened:
    with reading(org_id) as connection:
        job = jobs.view(connection, job_id, org_id)
        asked, _ = jobs.request(connection, job_id)
        within = scan_rules.reach(connection, org_id)
    is_checked = _may_scan(job, first)
    if is_checked:
        _check_target(org_id, registry.target(asked), within, f"job:{job_id}", by)
    verb = "resume" if first else "retry"
    with writing(org_id) as connection:
        reopened = revival.reopen(connection, job_id, first, by=by, why=verb)
        if reopened.first is StageName.SCAN and not is_checked:
            raise JobNotOver(f"Job {job_id} changed meanwhile.", cure="Try again.")
        audit.add(connection, org_id, by, f"job.{verb}", f"job:{job_id}", stage=reopened.first.value, run=reopened.run)
    bus.publish(reopened.events)
    _send(job_id)
    return reopened


def _check_target(org_id: str, target: TargetModel, within: Reach, subject: str, by: str) -> None:
    """Ask policy anew. Raises what `policy.check` does; a refusal is written down."""
    try:
        policy.check(target, within)
    except TargetRefused as exc:
        refusals.note(org_id, by, "target.refused", subject, [(exc.rule, target.label)])
        raise


def _may_scan(job: JobView, first: StageName | None) -> bool:
    if not (job.state.is_terminal or job.failure):
        return False  # it is refused anyway
    scanned = any(step.stage is StageName.SCAN and not step.part and step.state in DONE for step in job.steps)
    return first is StageName.SCAN or (first is None and not scanned)


def _send(job_id: str) -> None:
    try:
        pipeline.submit([job_id])
    except Infrastructure as exc:
        log.warning("intervention.unsent", job_id=job_id, error=exc.code, message=exc.message)


def _check_plugins(connection: Connection, options: Options) -> None:
    if gone := plugins.lacking(connection, options):
        raise PluginGone(
            f"No worker has started that knows {', '.join(gone)}.", cure="Start one, or submit the target anew."
        )
