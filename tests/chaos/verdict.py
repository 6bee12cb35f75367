"""What became of a job, counted where it counts: in the tables, at the receiver, in the notes of those who ran it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from shared.contracts.job import JobState, JobView, StageName
from shared.store import findings, reports, timeline
from shared.store.engine import reading
from tests.chaos import notes
from tests.chaos.stack import FORMATS, Stack

ENDS_WELL = frozenset({JobState.SUCCEEDED, JobState.PARTIAL})


@dataclass(frozen=True)
class Outcome:
    """findings and formats are listed as often as they are stored; told and ends are counts."""

    state: JobState
    findings: tuple[str, ...]
    formats: tuple[str, ...]
    told: int
    ends: int
    is_gap_explained: bool  # the receiver may not have been told, and the job says so


def outcome(stack: Stack, view: JobView) -> Outcome:
    with reading() as connection:
        found = sorted(finding.fingerprint for finding in findings.of_job(connection, view.id))
        written = tuple(report.format for report in reports.of_job(connection, view.id))
        ends = sum(event.type == "job.finished" for event in timeline.of_job(connection, view.id))
    codes = {step.failure.code for step in view.steps if step.failure and step.stage is StageName.NOTIFY}
    told = len(stack.receiver.of(view.id))
    return Outcome(view.state, tuple(found), written, told, ends, "delivery-unknown" in codes)


def reference(stack: Stack) -> Outcome:
    """Run a job to which nothing happens, and return what any other must end like."""
    ids = stack.submit()
    [view] = stack.wait(ids, 60)
    found = outcome(stack, view)
    assert (found.state, found.formats, found.told, found.ends) == (JobState.SUCCEEDED, tuple(FORMATS), 1, 1), found
    assert found.findings, "the target has no weakness, so nothing could be found twice"
    return found


def faults(stack: Stack, view: JobView, expected: Outcome, *, gap_may_be: bool = False) -> list[str]:
    """Return in which ways a job did not end as it must.

    gap_may_be: it was killed where nobody can know whether the receiver had been told; 0 with an explanation is right.
    """
    if not view.state.is_terminal:
        return [f"not ended: {view.state}, {_where(view)}"]
    found = outcome(stack, view)
    wrong = []
    partial_may_be = gap_may_be and found.is_gap_explained
    if found.state is not JobState.SUCCEEDED and not (found.state is JobState.PARTIAL and partial_may_be):
        wrong.append(f"{found.state}: {view.failure.message if view.failure else _where(view)}")
    if found.findings != expected.findings:
        wrong.append(f"findings {_difference(found.findings, expected.findings)}")
    if found.formats != expected.formats:
        wrong.append(f"reports {list(found.formats)}")
    if found.told != 1 and not (found.told == 0 and partial_may_be):
        wrong.append(f"{found.told} notifications")
    if found.ends != 1:
        wrong.append(f"{found.ends} x job.finished")
    return wrong


def twice_at_once(stack: Stack, job_id: str = "") -> list[str]:
    """Return a sentence for each task that ran twice at the same time."""
    return [f"{task} ran twice at once" for task in notes.parallel(stack.notes()) if task.startswith(job_id)]


def deliveries(stack: Stack, job_id: str, stage: str) -> int:
    """Return how often a child began with the task of a stage."""
    task = f"{job_id}.{stage}"
    return sum(note["what"] == notes.STARTED and note["task"] == task for note in stack.notes())


def scans(stack: Stack, job_id: str) -> int:
    """Return how often the scanner was called for a job."""
    return sum(note["what"] == notes.SCANNED and str(note["task"]).startswith(job_id) for note in stack.notes())


def _where(view: JobView) -> str:
    return ", ".join(f"{step.stage} {step.part} {step.state}".replace("  ", " ") for step in view.steps)


def _difference(found: tuple[str, ...], expected: tuple[str, ...]) -> str:
    more, fewer = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    return f"{sum(more.values())} too many, {sum(fewer.values())} missing"
