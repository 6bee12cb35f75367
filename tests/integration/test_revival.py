"""Jobs retried and resumed on real workers: what succeeded is not done again, and each run tells its end once."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from shared import intervention
from shared.contracts.job import JobState, StageName
from shared.contracts.policy import PolicyChange
from shared.errors import BackOff, FailureClass
from shared.store import policies, reports
from shared.store.engine import reading, writing
from tests.integration.conftest import REPORTS, Stack
from tests.shared.store.ledgers import told
from tests.shared.store.making import ORG

SCAN, PROCESS, REPORT, NOTIFY = StageName
SERVICES = [stage.value for stage in StageName]
AT_ONCE = PolicyChange(retries=0, back_off=BackOff.NONE, base_s=1.0, cap_s=1.0)


@dataclass
class Counter:
    """A port that counts who connects to it."""

    port: int
    calls: int = 0


@pytest.fixture
def counter() -> Iterator[Counter]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = Counter(int(listener.getsockname()[1]))

        def count() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    made.calls += 1
                    with contextlib.suppress(OSError), peer:
                        peer.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

        threading.Thread(target=count, daemon=True).start()
        yield made
        listener.shutdown(socket.SHUT_RDWR)


def report_ids(job_id: str) -> set[str]:
    with reading() as connection:
        return {view.id for view in reports.of_job(connection, job_id)}


def told_of(stack: Stack, job_id: str) -> list[str]:
    return [notice["state"] for notice in stack.receiver.of(job_id)]


def test_a_retry_goes_on_at_the_stage_whose_cause_is_gone(stack: Stack, counter: Counter) -> None:
    """The reports are larger than the store takes, until somebody allows more."""
    with writing() as connection:
        policies.change(connection, ORG, FailureClass.RESOURCE, AT_ONCE, "test")
    if "report" in stack.workers:
        stack.kill("report")
    stack.environment["VEDETTE_BLOB_LIMIT_BYTES"] = "10"
    try:
        stack.start(*SERVICES)
    finally:
        del stack.environment["VEDETTE_BLOB_LIMIT_BYTES"]
    job_id = stack.submit("127.0.0.1", str(counter.port))
    failed = stack.ended(job_id)
    assert (failed.state, failed.failure.stage if failed.failure else "") == (JobState.FAILED, REPORT)
    calls, findings_at = counter.calls, stack.step(job_id, PROCESS).finished_at
    assert calls > 0

    stack.kill("report")
    stack.start("report")
    assert intervention.retry(ORG, job_id, "ann").first is REPORT
    ended = stack.ended(job_id)
    assert (ended.state, ended.failure, ended.run) == (JobState.SUCCEEDED, None, 2)
    assert counter.calls == calls
    assert [stack.step(job_id, stage).attempt for stage in StageName] == [1, 1, 2, 2]
    assert stack.step(job_id, PROCESS).finished_at == findings_at
    assert len(report_ids(job_id)) == len(REPORTS)
    assert told_of(stack, job_id) == [JobState.FAILED, JobState.SUCCEEDED]
    assert ended.trace_id != failed.trace_id
    assert told(job_id).count("job.finished") == 2
    assert ended.total_s is not None
    assert ended.waited_s is not None
    assert 0 <= ended.waited_s <= ended.total_s


def test_a_resume_from_the_report_does_not_scan_again(stack: Stack, counter: Counter) -> None:
    stack.start(*SERVICES)
    job_id = stack.submit("127.0.0.1", str(counter.port))
    stack.ended(job_id)
    calls, first = counter.calls, report_ids(job_id)

    intervention.resume(ORG, job_id, REPORT, "ann")
    assert stack.ended(job_id).state is JobState.SUCCEEDED
    assert counter.calls == calls
    assert [stack.step(job_id, stage).attempt for stage in StageName] == [1, 1, 2, 2]
    again = report_ids(job_id)
    assert len(again) == len(first) == len(REPORTS)
    assert not again & first
    assert told_of(stack, job_id) == [JobState.SUCCEEDED] * 2


def test_a_resume_from_the_scan_does_all_of_it_again(stack: Stack, counter: Counter) -> None:
    stack.start(*SERVICES)
    job_id = stack.submit("127.0.0.1", str(counter.port))
    first = stack.ended(job_id)
    calls = counter.calls
    for run in (2, 3):
        intervention.resume(ORG, job_id, SCAN, "ann")
        ended = stack.ended(job_id)
        assert (ended.state, ended.run, ended.severities) == (JobState.SUCCEEDED, run, first.severities)
        assert counter.calls == run * calls
    assert told_of(stack, job_id) == [JobState.SUCCEEDED] * 3
