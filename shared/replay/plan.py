"""Whether a dead letter can be replayed, and how: each refusal has a code. Reads nothing but what it is given, the
names of hosts and the records of workers.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from shared import policy, registry
from shared.broker import presence
from shared.broker.client import BrokerAway, answering
from shared.contracts.dead_letter import DeadLetterState, Replay, ReplayMode, Verdict
from shared.contracts.job import JobState, StageName
from shared.contracts.lanes import LANES
from shared.contracts.target import TargetModel
from shared.errors import VedetteError
from shared.policy import Reach, TargetRefused
from shared.replay import editing
from shared.replay.refusal import Refused
from shared.store import scan_rules
from shared.store.engine import reading
from shared.store.replaying import Candidate, Edit, JobFacts
from shared.store.step import STAGES

__all__ = ["NO_CONSUMER", "Plan", "Refused", "Surroundings", "forbidden", "gone", "made", "surroundings"]

RESOLVE_AT_ONCE = 32
RESOLVE_ALL_S = 40.0  # a batch of names of which none is answered takes 35 s
NO_CONSUMER = "no-consumer"
TASKS = frozenset(f"{stage}.run" for stage in StageName)


@dataclass(frozen=True)
class Plan:
    """How a letter is replayed. first: the stage that is done again as a whole; None: from where it failed.

    begins: the stage at which that is.  target: what is scanned again, where the scan is.
    """

    letter: Candidate
    job_id: str
    first: StageName | None
    begins: StageName
    target: TargetModel | None = None
    edit: Edit | None = None
    lane: str = ""


@dataclass
class Surroundings:
    """What is known outside of the store. lanes: those that somebody takes from, None when nobody knows.

    judged: what policy said of targets, by their key.  resolve_until: on the monotonic clock; then names are given up.
    within: what the organisation may scan.
    """

    lanes: Collection[str] | None = None
    judged: dict[str, Refused | None] = field(default_factory=dict)
    resolve_until: float = field(default_factory=lambda: time.monotonic() + RESOLVE_ALL_S)
    within: Reach = field(default_factory=Reach)


def surroundings(org_id: str) -> Surroundings:
    """Ask which workers there are, and what the organisation may scan."""
    with reading(org_id) as connection:
        within = scan_rules.reach(connection, org_id)
    try:
        with answering() as client:
            return Surroundings({lane for worker in presence.live(client) for lane in worker.queues}, within=within)
    except BrokerAway:
        return Surroundings(within=within)


def gone(letter_id: str) -> Verdict:
    return Verdict(id=letter_id, ok=False, code="not-found", detail="There is no such dead letter.")


def made(letter: Candidate, how: Replay, around: Surroundings, *, is_alone: bool) -> Plan:
    """Return how a letter can be replayed, policy aside. Raises Refused."""
    _check_state(letter, how, is_alone=is_alone)
    job = _job(letter)
    plan = (_ordered if letter.part else _MODES[how.mode])(letter, job, how)
    lane = plan.lane or (plan.edit.lane if plan.edit else job.lane)
    queue = lane if plan.begins is StageName.SCAN else LANES[plan.begins][0]
    starts_nothing = how.mode is ReplayMode.SKIP
    if around.lanes is not None and queue not in around.lanes and not starts_nothing and not how.force:
        raise Refused(NO_CONSUMER, f"No worker takes from {queue}; start one, or use force.")
    return plan


def forbidden(plans: Iterable[Plan], around: Surroundings) -> dict[str, Refused]:
    """Return the letters whose target may not be scanned again. A replay is a new probe, so policy is asked anew."""
    scans = {plan.letter.id: plan.target for plan in plans if plan.target}
    unknown = {target.key: target for target in scans.values() if target.key not in around.judged}
    if unknown:
        around.judged |= _judged(unknown, around.within, max(1.0, around.resolve_until - time.monotonic()))
    found = {letter_id: around.judged[target.key] for letter_id, target in scans.items()}
    return {letter_id: why for letter_id, why in found.items() if why}


def _check_state(letter: Candidate, how: Replay, *, is_alone: bool) -> None:
    if letter.state not in {DeadLetterState.OPEN, DeadLetterState.SNOOZED, DeadLetterState.QUARANTINED}:
        raise Refused(
            "wrong-state", f"Dead letter {letter.id[-8:]} is {letter.state}: only what is open can be replayed."
        )
    if letter.is_poison and not (how.force and is_alone):
        raise Refused("quarantined", "It killed its workers. Replay it alone, with force.")


def _job(letter: Candidate) -> JobFacts:
    """Return the letter's job, if it can be revived."""
    if letter.task and letter.task not in TASKS:
        raise Refused("task-unregistered", f"Nobody runs the task {letter.task!r}.")
    if letter.job_id is None:
        raise Refused("payload-invalid", "The message names no job, so no stage could run it.")
    job = letter.job
    if job is None:
        raise Refused("job-gone", f"There is no job {letter.job_id} any more.")
    if job.cancelled_at or job.state is JobState.CANCELLED:
        raise Refused("job-cancelled", f"Job {job.id} was cancelled. Retry it, if you want it after all.")
    if job.run != letter.run:
        raise Refused("superseded", f"Job {job.id} was revived since; this is of its run {letter.run} of {job.run}.")
    if job.finished_at is None and not job.has_failed:
        raise Refused("job-not-over", f"Job {job.id} is {job.state}.")
    return job


def _as_is(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    del how
    if job.undone is None:
        raise Refused("nothing-failed", f"Every stage of job {job.id} succeeded.")
    return Plan(letter, job.id, None, job.undone, _scanned(job, job.undone))


def _ordered(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    """A report that was ordered of a job that was over: it is made anew, and nothing else of the job."""
    if how.mode is not ReplayMode.AS_IS:
        raise Refused("part-alone", "It is a report that was ordered later: it can only be replayed as it is.")
    return Plan(letter, job.id, StageName.REPORT, StageName.REPORT)


def _from_stage(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    if how.stage is None:
        raise Refused("stage-missing", "Say from which stage.")
    if job.undone and STAGES.index(how.stage) > STAGES.index(job.undone):
        raise Refused("stage-missing", f"It cannot go on from {how.stage}: its stage {job.undone} has not succeeded.")
    return Plan(letter, job.id, how.stage, how.stage, _scanned(job, how.stage))


def _whole(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    del how
    return Plan(letter, job.id, STAGES[0], STAGES[0], _scanned(job, STAGES[0]))


def _skip(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    del how
    if letter.stage is None or letter.stage is not job.undone:
        raise Refused("stage-missing", f"The stage that failed is {job.undone}.")
    return Plan(letter, job.id, letter.stage, letter.stage)


def _to_queue(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    plan = _as_is(letter, job, how)
    if how.queue not in LANES[plan.begins]:
        known = ", ".join(LANES[plan.begins])
        raise Refused("queue-unknown", f"The {plan.begins} stage does not take from {how.queue!r}. There is: {known}.")
    return Plan(letter, job.id, None, plan.begins, plan.target, lane=how.queue)


def _edited(letter: Candidate, job: JobFacts, how: Replay) -> Plan:
    edit, affected = editing.edit(job.request, how.changes)
    begins = min((stage for stage in (affected, job.undone) if stage), key=STAGES.index, default=STAGES[0])
    target = edit.target if begins is StageName.SCAN else None
    return Plan(letter, job.id, begins, begins, target, edit)


_MODES = {
    ReplayMode.AS_IS: _as_is,
    ReplayMode.EDITED: _edited,
    ReplayMode.FROM_STAGE: _from_stage,
    ReplayMode.WHOLE: _whole,
    ReplayMode.SKIP: _skip,
    ReplayMode.TO_QUEUE: _to_queue,
}


def _scanned(job: JobFacts, begins: StageName) -> TargetModel | None:
    """Return the target where it is scanned again, checked by its kind as when it was submitted."""
    if begins is not StageName.SCAN:
        return None
    try:
        return registry.target(job.request["target"])
    except VedetteError as exc:
        raise Refused("payload-invalid", exc.message) from exc


def _judged(targets: Mapping[str, TargetModel], within: Reach, timeout_s: float) -> dict[str, Refused | None]:
    """Ask policy of many targets at once; those of whom it has said nothing in time are refused."""
    pool = ThreadPoolExecutor(RESOLVE_AT_ONCE, thread_name_prefix="replay")
    try:
        asked = {key: pool.submit(_refusal, target, within) for key, target in targets.items()}
        wait(asked.values(), timeout_s)
        late = Refused("resolver-away", "The resolver did not answer in time.")
        return {key: task.result() if task.done() else late for key, task in asked.items()}
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _refusal(target: TargetModel, within: Reach) -> Refused | None:
    try:
        policy.check(target, within)
    except TargetRefused as exc:
        return Refused(exc.code, exc.message, rule=exc.rule)
    except VedetteError as exc:
        return Refused(exc.code, exc.message)
    return None
