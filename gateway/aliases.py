"""Jobs in the words of the earlier systems."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gateway import bulk, intake, lookup, queues
from gateway.auth import Caller
from gateway.submission import BatchSubmission, Submission
from shared.contracts.dead_letter import Forecast, Selection
from shared.contracts.earlier import EarlierScan, EarlierScanState, EarlierTask, WorkerStats
from shared.contracts.job import JobState, JobView, Progress, StageName
from shared.contracts.observation import Observation
from shared.contracts.operation import Operation
from shared.contracts.triage import BulkDiscard
from shared.errors import Conflict, InvalidInput
from shared.ids import now
from shared.store import dead_letters, evidence, jobs, statistics
from shared.store.engine import reading

DAY = timedelta(hours=24)
_STATES = {
    JobState.SUCCEEDED: "SUCCESS",
    JobState.PARTIAL: "SUCCESS",
    JobState.FAILED: "FAILURE",
    JobState.DEAD: "FAILURE",
    JobState.CANCELLED: "REVOKED",
    JobState.SCHEDULED: "PENDING",
    JobState.QUEUED: "PENDING",
}


class ScalingAbsent(Conflict):
    """This installation does not scale workers by itself."""


class ConfirmationMissing(InvalidInput):
    """What cannot be undone was asked for without saying that it is meant."""

    status = 400


def submit(caller: Caller, asked: Submission) -> EarlierTask:
    """Take one submission in; of several targets, the id of the first job is told."""
    made = intake.accept(caller, asked)
    intake.follow_up(caller, [job.id for job in made.jobs])
    return EarlierTask(task_id=made.jobs[0].id, job_id=made.jobs[0].id)


def scan(caller: Caller, asked: EarlierScan) -> EarlierTask:
    """Take one host in."""
    target = {"kind": "host", "host": asked.target} | ({"ports": asked.ports} if asked.ports else {})
    return submit(caller, Submission(target=target, profile=asked.profile))


def submit_bulk(caller: Caller, asked: BatchSubmission) -> tuple[str, list[str]]:
    """Take many in; return the id of their batch, and those of its jobs."""
    made, ids = intake.accept_batch(caller, asked)
    return made.id, ids


def clear(caller: Caller) -> Operation | Forecast:
    """Begin to discard all open dead letters."""
    every = Selection(all=True)
    with reading(caller.org_id) as connection:
        count = dead_letters.count(connection, caller.org_id, every)
    return bulk.discard(caller, BulkDiscard(selection=every, expect=count, reason="cleared"))


def state(caller: Caller, piece: str) -> EarlierScanState:
    """Return how far a scan is, and when it is over what was found. Raises jobs.JobNotFound."""
    with reading(caller.org_id) as connection:
        job = jobs.view(connection, lookup.job_id(connection, caller, piece))
        seen = evidence.observed(connection, job.id) if job.state.is_terminal else []
    at = _progress(job)
    told = _STATES.get(job.state, "PROGRESS")
    return EarlierScanState(
        task_id=job.id,
        state=told,
        status=job.failure.message if job.failure else job.state,
        progress=_percent(job, at),
        current_group=at.current_group,
        group_size=at.group_size,
        result=_result(job, seen) if told == "SUCCESS" else None,
        error=job.failure.message if job.failure else "",
    )


def stats(caller: Caller) -> WorkerStats:
    """Return the numbers of the earlier dashboard. Raises BrokerAway."""
    views, fleet = queues.views(), queues.workers()
    with reading(caller.org_id) as connection:
        found = statistics.overview(connection, caller.org_id, now() - DAY)
    return WorkerStats(
        active_workers=len(fleet),
        total_pending=sum(view.waiting for view in views),
        jobs_processed_24h=found.finished,
        jobs_failed_24h=found.failed,
        avg_processing_time=found.average_s or 0.0,
        success_rate=1.0 if found.success_rate is None else found.success_rate,
        queue_depths={view.name: view.waiting for view in views},
    )


def _progress(job: JobView) -> Progress:
    scans = (step for step in job.steps if step.stage is StageName.SCAN and not step.part and step.progress)
    return next((step.progress for step in scans if step.progress), Progress(done=0, total=0))


def _percent(job: JobView, at: Progress) -> int:
    """The scan is what the earlier system did, and takes nearly all of the time; the rest is the last tenth."""
    if job.state.is_terminal:
        return 100
    return min(int(90 * at.done / at.total), 90) if at.total else 0


def _result(job: JobView, seen: list[Observation]) -> dict[str, Any]:
    names = {(each.data["address"], each.data["port"]): each.data for each in seen if each.type == "service"}
    ports = [each.data for each in seen if each.type == "port"]
    return {
        "target": job.target,
        "open_ports": [_port(port, names.get((port["address"], port["port"]), {})) for port in ports],
        "score": job.score,
        "grade": job.grade,
        "severities": job.severities,
    }


def _port(port: dict[str, Any], service: dict[str, Any]) -> dict[str, Any]:
    told = {"address": port["address"], "port": port["port"], "group": port.get("group", "")}
    return told | {"service": service.get("name", "unknown"), "version": service.get("version", "")}
