"""Takes a submission in: written in one transaction, published after it. An absent broker only delays the jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import broker, idempotency, pressure
from gateway.auth import Caller
from gateway.submission import MAX_JOBS, BatchSubmission, Submission, TargetsRefused, admit, check_plugins
from shared import admission, bus, telemetry
from shared.contracts.batch import MAX_ENTRIES, BatchView
from shared.contracts.submission import Options, Receipt
from shared.contracts.target import TargetModel
from shared.ids import new_id
from shared.store import audit, batches, jobs, refusals, scan_rules, timeline
from shared.store.batches import NewBatch
from shared.store.engine import Connection, reading, writing

AT_ONCE = 50  # jobs published before the answer: about 0.1 s
SHOWN = 5  # targets of a submission that its line in the audit names
TOLD_AT_ONCE = 500  # jobs whose first events are read and put on the bus together


@dataclass(frozen=True)
class Made:
    """What was written: the jobs, and their batch if they have one."""

    ids: list[str]
    batch_id: str | None = None


def accept(caller: Caller, asked: Submission) -> Receipt:
    """Write the jobs of a submission and publish the first of them.

    Raises what `submission` does, BrokerFull and DatabaseAway.
    """
    return _receipt(caller, _taken(caller, asked, MAX_JOBS))


def accept_batch(caller: Caller, asked: BatchSubmission) -> tuple[BatchView, list[str]]:
    """Write the jobs of a batch and publish the first of them; return the batch and their ids. Raises as `accept`."""
    made = _taken(caller, asked, MAX_ENTRIES)
    return batch(caller, str(made.batch_id)), made.ids


def batch(caller: Caller, batch_id: str) -> BatchView:
    """Return a batch as it is now."""
    with reading(caller.org_id) as connection:
        return batches.get(connection, batch_id)


def again(caller: Caller, receipt: Receipt) -> Receipt:
    """Return the receipt with its jobs as they are now."""
    return _receipt(caller, Made([job.id for job in receipt.jobs], receipt.batch_id))


def follow_up(caller: Caller, ids: Sequence[str]) -> None:
    """Publish the rest of the jobs, which the answer did not wait for, and put their first events on the bus.

    What a crash cuts off here is done by the reconciler.
    """
    for start in range(0, len(ids), TOLD_AT_ONCE):
        several = ids[start : start + TOLD_AT_ONCE]
        if rest := several if start else several[AT_ONCE:]:
            broker.publish(rest)
        with reading(caller.org_id) as connection:
            first = timeline.of_jobs(connection, several)
        bus.publish(first)


def _taken(caller: Caller, asked: Submission | BatchSubmission, most: int) -> Made:
    made = _before(caller) or _new(caller, asked, most)
    broker.publish(made.ids[:AT_ONCE])
    return made


def _before(caller: Caller) -> Made | None:
    """Return what the same request made, by a gateway that died before it could answer."""
    if not (ids := idempotency.made()):
        return None
    with reading(caller.org_id) as connection:
        return Made(list(ids), jobs.view(connection, ids[0]).batch_id)


def _new(caller: Caller, asked: Submission | BatchSubmission, most: int) -> Made:
    pressure.admit()
    options = asked.options()
    with reading(caller.org_id) as connection:
        check_plugins(connection, options)
        within = scan_rules.reach(connection, caller.org_id)
    admission.due(options)  # before names are resolved: that takes time
    try:
        targets = admit(caller.org_id, asked.entries(), within, most)
    except TargetsRefused as exc:
        refusals.note(caller.org_id, caller.actor, "target.refused", "submission", exc.refused, address=caller.address)
        raise
    return _write(caller, asked, targets, options)


def _write(
    caller: Caller, asked: Submission | BatchSubmission, targets: Sequence[TargetModel], options: Options
) -> Made:
    is_batch = len(targets) > 1 or isinstance(asked, BatchSubmission)
    batch_id = new_id() if is_batch else None
    of_its_own = "" if batch_id else None  # one job is one trace: a single one has that of its request
    new = [
        admission.draft(caller.org_id, target, options, batch_id=batch_id, linked_to=of_its_own) for target in targets
    ]
    with writing(caller.org_id) as connection:
        if batch_id:
            name = asked.name if isinstance(asked, BatchSubmission) else ""
            trace_id = telemetry.trace_id()
            batch = NewBatch(batch_id, caller.org_id, len(new), options, name, caller.actor, trace_id)
            batches.create(connection, batch)
        ids = admission.write(connection, new, caller.actor, caller.counted_for)
        idempotency.note(connection, ids)
        made = Made(ids, batch_id)
        _audit(connection, caller, made, targets)
    return made


def _audit(connection: Connection, caller: Caller, made: Made, targets: Sequence[TargetModel]) -> None:
    subject = f"batch:{made.batch_id}" if made.batch_id else f"job:{made.ids[0]}"
    shown = [target.label for target in targets[:SHOWN]]
    said: dict[str, Any] = {"jobs": len(targets), "targets": shown, "address": caller.address}
    audit.add(connection, caller.org_id, caller.actor, "job.submitted", subject, **said)


def _receipt(caller: Caller, made: Made) -> Receipt:
    with reading(caller.org_id) as connection:
        return Receipt(batch_id=made.batch_id, jobs=jobs.views(connection, made.ids))
