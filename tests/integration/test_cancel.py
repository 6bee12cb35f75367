"""Jobs that are cancelled on real workers: queued, scheduled, running, put off. Nothing of them goes on, others do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from control import reconciler
from shared import intervention, testing
from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.submission import Options
from shared.ids import now
from shared.pipeline import submit
from shared.store.engine import writing
from shared.store.tables import jobs
from tests import broker
from tests.integration.conftest import Stack
from tests.shared.store.ledgers import states, told
from tests.shared.store.making import ORG, make, new_job

SCAN, PROCESS, REPORT, NOTIFY = StageName
SERVICES = [stage.value for stage in StageName]
NOTICE_S = 4.0  # within which a running stage must have stopped by itself; after 5 s it is killed


@pytest.fixture
def busy() -> Iterator[str]:
    """A receiver of notifications that asks everybody to come back in a minute; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(429)
            self.send_header("Retry-After", "60")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/busy"
        server.shutdown()


def cancel(job_id: str) -> JobState | None:
    return intervention.cancel_one(ORG, job_id, "ann").state


def assert_cancelled(stack: Stack, job_id: str, *, left: list[str]) -> None:
    """It is cancelled with its stages in these states, ended once, told nobody, and is not at any worker."""
    assert (stack.ended(job_id).state, states(job_id)) == (JobState.CANCELLED, left)
    assert told(job_id).count("job.finished") == 1
    assert stack.receiver.of(job_id) == []


def assert_works(stack: Stack, port: int) -> None:
    """Workers go on with others; when this one is through, so are all messages before it."""
    assert stack.ended(stack.submit("127.0.0.1", str(port))).state is JobState.SUCCEEDED
    with stack.broker as client:
        testing.wait_for(lambda: broker.waiting(client) == 0 and client.hlen("unacked") == 0, "nothing is left over")


def test_a_queued_job_never_begins(own_stack: Stack, banner: int) -> None:
    queued = own_stack.submit("127.0.0.1", str(banner))
    assert cancel(queued) is JobState.CANCELLED
    own_stack.start(*SERVICES)
    assert_works(own_stack, banner)
    assert_cancelled(own_stack, queued, left=["cancelled"] * 4)
    assert "stage.started" not in told(queued)


def test_a_scheduled_job_never_begins(own_stack: Stack, banner: int) -> None:
    own_stack.start(*SERVICES)
    made = new_job(options=Options(reports=[]), due_at=now() + timedelta(hours=1))
    cancelled, kept = make(made, made)
    submit([cancelled, kept])
    assert cancel(cancelled) is JobState.CANCELLED
    with writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id.in_([cancelled, kept])).values(due_at=now()))
    assert reconciler.queue_due() == 1
    assert own_stack.ended(kept).state is JobState.SUCCEEDED
    assert_cancelled(own_stack, cancelled, left=["cancelled"] * 4)


def test_a_running_scan_stops_by_itself_and_its_worker_goes_on(own_stack: Stack, banner: int, tarpit: int) -> None:
    own_stack.start(*SERVICES)
    assert_works(own_stack, banner)
    child = own_stack.child("scan")
    running = own_stack.submit("127.0.0.1", str(tarpit))
    testing.wait_for(lambda: "services" in str(own_stack.step(running, SCAN).progress), "it identifies services")
    asked = time.monotonic()
    assert cancel(running) is JobState.CANCELLING
    assert_cancelled(own_stack, running, left=["cancelled"] * 4)
    assert time.monotonic() - asked < NOTICE_S
    assert_works(own_stack, banner)
    assert own_stack.child("scan") == child


def test_a_job_that_was_cancelled_goes_on_when_somebody_wants_it_to(own_stack: Stack, banner: int, tarpit: int) -> None:
    own_stack.start(*SERVICES)
    job_id = own_stack.submit("127.0.0.1", f"{banner},{tarpit}")
    testing.wait_for(lambda: own_stack.step(job_id, SCAN).state is StepState.RUNNING, "the scan runs")
    cancel(job_id)
    assert own_stack.ended(job_id).state is JobState.CANCELLED
    intervention.retry(ORG, job_id, "ann")
    ended = own_stack.ended(job_id)
    assert (ended.state, ended.run, ended.cancelled_by) == (JobState.SUCCEEDED, 2, "")
    assert own_stack.step(job_id, SCAN).attempt == 2
    assert [told["state"] for told in own_stack.receiver.of(job_id)] == [JobState.SUCCEEDED]


def test_a_job_that_waits_for_its_next_attempt_is_not_tried_again(own_stack: Stack, banner: int, busy: str) -> None:
    own_stack.start(*SERVICES)
    [job_id] = make(new_job(options=Options(reports=[], notify=[busy])))
    submit([job_id])
    testing.wait_for(lambda: own_stack.view(job_id).state is JobState.RETRYING, "it is put off", 60)
    assert cancel(job_id) is JobState.CANCELLED
    ended = own_stack.ended(job_id)
    assert (ended.state, states(job_id)) == (JobState.CANCELLED, [*["succeeded"] * 3, "cancelled"])
    assert "stage.retrying" in told(job_id)
