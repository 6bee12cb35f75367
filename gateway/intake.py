"""Takes a submission in: written in one transaction, published after it. An absent broker only delays the jobs."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import broker, idempotency, pressure
from gateway.auth import Caller
from gateway.submission import Submission, TargetsRefused, admit, check_plugins
from shared import admission, bus, telemetry
from shared.contracts.submission import Receipt
from shared.ids import new_id
from shared.store import jobs, refusals, scan_rules, timeline
from shared.store.engine import reading, writing

AT_ONCE = 50  # jobs published before the answer: about 0.1 s


def accept(caller: Caller, asked: Submission) -> Receipt:
    """Write the jobs of a submission and publish the first of them.

    Raises what `submission` does, BrokerFull and DatabaseAway.
    """
    if made := idempotency.made():  # by a gateway that died before it could answer
        return _receipt(caller, made)
    pressure.admit()
    options = asked.options()
    with reading(caller.org_id) as connection:
        check_plugins(connection, options)
        within = scan_rules.reach(connection, caller.org_id)
    admission.due(options)  # before names are resolved: that takes time
    try:
        targets = admit(asked, within)
    except TargetsRefused as exc:
        refusals.note(caller.org_id, caller.actor, "target.refused", "submission", exc.refused, address=caller.address)
        raise
    batch_id = new_id() if len(targets) > 1 else None
    new = [admission.draft(caller.org_id, target, options, _trace(batch_id), batch_id=batch_id) for target in targets]
    with writing(caller.org_id) as connection:
        ids = admission.write(connection, new)
        idempotency.note(connection, ids)
    return _receipt(caller, ids)


def follow_up(caller: Caller, ids: Sequence[str]) -> None:
    """Publish the rest of the jobs, which the answer did not wait for, and put their first events on the bus.

    What a crash cuts off here is done by the reconciler.
    """
    if len(ids) > AT_ONCE:
        broker.publish(ids[AT_ONCE:])
    with reading(caller.org_id) as connection:
        first = [event for job_id in ids for event in timeline.of_job(connection, job_id, limit=2)]
    bus.publish(first)


def _receipt(caller: Caller, ids: Sequence[str]) -> Receipt:
    broker.publish(ids[:AT_ONCE])
    with reading(caller.org_id) as connection:
        found = jobs.views(connection, ids)
    return Receipt(batch_id=found[0].batch_id, jobs=found)


def _trace(batch_id: str | None) -> tuple[str, str]:
    """One job is one trace: a single job has that of its request, those of a batch are linked to it."""
    return telemetry.new_trace("job") if batch_id else (telemetry.trace_id(), telemetry.traceparent())
