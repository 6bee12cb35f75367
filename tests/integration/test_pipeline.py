"""A job's way through the four real services, and what is left of it when workers die on that way."""

from __future__ import annotations

import os
import signal
import socket

from shared import testing
from shared.contracts.job import JobState, StageName, StepState
from shared.store import findings, reports, timeline
from shared.store.engine import reading
from tests.integration.conftest import REPORTS, Stack

SCAN, PROCESS, REPORT, NOTIFY = StageName
SERVICES = [stage.value for stage in StageName]


def assert_once(stack: Stack, job_id: str, state: JobState) -> None:
    """One report of each format, one notification, one end."""
    with reading() as connection:
        assert [view.format for view in reports.of_job(connection, job_id)] == REPORTS
        ends = [event for event in timeline.of_job(connection, job_id) if event.type == "job.finished"]
    assert [told["state"] for told in stack.receiver.of(job_id)] == [state]
    assert len(ends) == 1


def test_jobs_go_through_the_four_services(stack: Stack, banner: int) -> None:
    stack.start(*SERVICES)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        closed_port = closed.getsockname()[1]
    good = stack.submit("127.0.0.1", f"{banner},{stack.receiver.port},{closed_port}")
    bad = stack.submit("nothing.invalid", "22")

    ended = stack.ended(good)
    assert (ended.state, ended.failure) == (JobState.SUCCEEDED, None)
    assert {step.state for step in ended.steps} == {StepState.SUCCEEDED}
    assert stack.step(good, SCAN).summary == "3 ports · 2 open"
    assert (ended.score is not None, ended.grade is not None) == (True, True)
    assert_once(stack, good, JobState.SUCCEEDED)
    with reading() as connection:
        for name in REPORTS:
            view, content = reports.content(connection, good, name)
            assert len(content) == view.size_bytes > 100
        assert findings.assessment(connection, good) is not None

    events = stack.events(good)
    assert {event["trace_id"] for event in events} == {ended.trace_id}
    assert {event["stage"] for event in events} == {"", *SERVICES}
    assert [event["id"] for event in events if event["id"]] == sorted(event["id"] for event in events if event["id"])

    failed = stack.ended(bad)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "target-unresolvable"
    assert [step.state for step in failed.steps if not step.part] == [
        *(StepState.FAILED, StepState.SKIPPED, StepState.SKIPPED, StepState.SUCCEEDED)
    ]
    assert [told["state"] for told in stack.receiver.of(bad)] == ["failed"]
    lines = [line for line in stack.lines() if line.get("job_id") == bad]
    assert {line["stage"] for line in lines} >= {"scan"}
    assert {line["trace_id"] for line in lines} == {failed.trace_id}


def test_jobs_outlive_those_who_work_on_them(stack: Stack, banner: int, tarpit: int) -> None:
    stack.start(*SERVICES)
    orphaned = lose_the_report_worker(stack, banner)
    stack.start("report")  # the message comes back when its time is up; meanwhile:
    interrupted = stack.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: stack.step(interrupted, SCAN).state is StepState.RUNNING, "the scan runs")
    os.kill(stack.child("scan"), signal.SIGKILL)

    assert stack.ended(interrupted).state is JobState.SUCCEEDED
    assert stack.step(interrupted, SCAN).attempt == 2
    assert_once(stack, interrupted, JobState.SUCCEEDED)
    assert stack.ended(orphaned).state is JobState.SUCCEEDED
    assert_once(stack, orphaned, JobState.SUCCEEDED)


def lose_the_report_worker(stack: Stack, port: int) -> str:
    """Kill a report worker that has taken the message of a job and not done with it; the job's id."""
    os.kill(stack.child("report"), signal.SIGSTOP)
    job_id = stack.submit("127.0.0.1", str(port))
    testing.wait_for(lambda: stack.step(job_id, PROCESS).state is StepState.SUCCEEDED, "the job is judged")
    with stack.broker as client:
        testing.wait_for(lambda: [b"report.run" in held for held in client.hvals("unacked")] == [True], "it is taken")
        stack.kill("report")
        assert client.hlen("unacked") == 1
    return job_id
