"""Takes a submission in: written in one transaction, published after it. An absent broker only delays the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from gateway import broker, pressure
from gateway.auth import Caller
from gateway.submission import Submission, admit, check_plugins
from shared import bus, telemetry
from shared.contracts.events import EventType
from shared.contracts.job import StageName
from shared.contracts.submission import Options, Receipt
from shared.contracts.target import TargetModel
from shared.ids import new_id, now
from shared.settings import settings
from shared.store import jobs, timeline
from shared.store.engine import reading, writing
from shared.store.jobs import NewJob
from shared.store.timeline import Fact

AT_ONCE = 50  # jobs published before the answer: about 0.1 s


def accept(caller: Caller, asked: Submission) -> Receipt:
    """Write the jobs of a submission and publish the first of them.

    Raises what `submission` does, BrokerFull and DatabaseAway.
    """
    pressure.admit()
    options = asked.options()
    with reading() as connection:
        check_plugins(connection, options)
    targets = admit(asked)
    batch_id = new_id() if len(targets) > 1 else None
    new = _new_jobs(caller, options, targets, batch_id)
    with writing() as connection:
        ids = jobs.create(connection, new)
        queued = [Fact(caller.org_id, i, EventType.JOB_QUEUED, data={"lane": new[0].lane}) for i in ids]
        timeline.add(connection, queued)
    broker.publish(ids[:AT_ONCE])
    with reading() as connection:
        return Receipt(batch_id=batch_id, jobs=jobs.views(connection, ids))


def follow_up(ids: Sequence[str]) -> None:
    """Publish the rest of the jobs, which the answer did not wait for, and put their first events on the bus.

    What a crash cuts off here is done by the reconciler.
    """
    if len(ids) > AT_ONCE:
        broker.publish(ids[AT_ONCE:])
    with reading() as connection:
        first = [event for job_id in ids for event in timeline.of_job(connection, job_id, limit=2)]
    bus.publish(first)


def _new_jobs(caller: Caller, options: Options, targets: Sequence[TargetModel], batch_id: str | None) -> list[NewJob]:
    lane, deadline_at = broker.pipeline().lane(options), now() + timedelta(seconds=settings().job_deadline_s)
    parts = {StageName.REPORT: options.reports}
    made = []
    for target in targets:
        # One job is one trace; those of a batch are linked to the request.
        own = telemetry.new_trace("job") if batch_id else (telemetry.trace_id(), telemetry.traceparent())
        made.append(NewJob(caller.org_id, target, options, lane, deadline_at, batch_id, *own, parts))
    return made
