"""Who is told, and how often: the stage inside its layers, on real stores, with receivers that count."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from services.notify.tasks import tell_all
from shared import breaker
from shared.broker.client import client
from shared.contracts.envelope import Envelope
from shared.contracts.job import JobState, JobView, StageName, StepState, StepView
from shared.contracts.submission import Options
from shared.dlq import StageFailed
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.layers.ledger import AlreadyOver, RetryLater
from shared.settings import settings
from shared.store import audit, deliveries, jobs, ledger, revival
from shared.store.deliveries import part_of
from shared.store.engine import reading, writing
from shared.store.step import Key
from tests.shared.notification.conftest import Receiver, reply
from tests.shared.store.ledgers import BROKEN
from tests.shared.store.making import ORG, make, new_job, run_through

NOTIFY = StageName.NOTIFY
ROOT = Path(__file__).parents[3]
Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(database: str, bus_url: str, fresh_settings: pytest.MonkeyPatch) -> Configure:
    """Set the destinations of the settings, which allow webhooks to loopback."""

    def set_up(*destinations: str) -> None:
        fresh_settings.setenv("VEDETTE_WEBHOOK_SECRET", base64.b64encode(b"k" * 32).decode())
        fresh_settings.setenv("VEDETTE_NOTIFY_PRIVATE_ADDRESSES", "true")
        fresh_settings.setenv("VEDETTE_NOTIFY", json.dumps(destinations))
        settings.cache_clear()

    set_up()
    return set_up


def job_for(*destinations: str) -> str:
    """Make a job that has come as far as the last stage."""
    [job_id] = make(new_job(options=Options(notify=list(destinations))))
    run_through(job_id, *(stage for stage in StageName if stage is not NOTIFY))
    return job_id


def tell(job_id: str, retries: int = 0, then: Callable[[], object] = bool) -> None:
    """Do the last stage of a job as a worker does, and `then` something more before the stage ends."""
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan", run=view(job_id).run)
    with around(NOTIFY, envelope, Delivery("w@h", retries, 30.0)) as step:
        tell_all(envelope, step)
        then()


def view(job_id: str) -> JobView:
    with reading() as connection:
        return jobs.view(connection, job_id)


def step_of(job_id: str, part: str = "") -> StepView:
    return next(step for step in view(job_id).steps if (step.stage, step.part) == (NOTIFY, part))


def rows(job_id: str) -> list[tuple[str, str]]:
    """Return the channel and the state of each delivery of a job."""
    with reading() as connection:
        return [(row.channel, row.state) for row in deliveries.of_job(connection, job_id)]


def url_of(receiver: Receiver, path: str = "/hook") -> str:
    return f"http://127.0.0.1:{receiver.port}{path}"


def test_what_a_dead_worker_was_sending_is_unknown_and_not_sent_again(receiver: Receiver) -> None:
    url = url_of(receiver)
    job_id = job_for(url)
    with writing() as connection:
        begun = deliveries.begin(connection, Key(job_id, ORG, NOTIFY), "webhook", url)
        assert deliveries.claim(connection, begun.id)
    with pytest.raises(StageFailed):
        tell(job_id)
    assert receiver.requests == []
    part = step_of(job_id, part_of(url))
    assert part.state is StepState.FAILED
    assert part.failure is not None
    assert part.failure.code == "delivery-unknown"
    assert rows(job_id) == [("webhook", "unknown")]
    assert view(job_id).state is JobState.PARTIAL


def test_the_end_of_a_job_that_was_stopped_is_told_as_it_is(receiver: Receiver) -> None:
    [job_id] = make(new_job(options=Options(notify=[url_of(receiver)])))
    with writing() as connection:
        ledger.bury(connection, job_id, ORG, StageName.SCAN, BROKEN.model_copy(update={"is_dead": True}))
    tell(job_id)
    [request] = receiver.requests
    assert json.loads(request.body)["data"]["state"] == view(job_id).state == JobState.DEAD


def test_a_message_that_comes_again_is_told_once(receiver: Receiver) -> None:
    job_id = job_for(url_of(receiver))
    tell(job_id)
    with pytest.raises(AlreadyOver):
        tell(job_id)
    assert len(receiver.requests) == 1
    assert rows(job_id) == [("webhook", "sent")]
    assert (view(job_id).state, step_of(job_id).summary) == (JobState.SUCCEEDED, "1 told")


def revive(job_id: str, first: StageName | None = None) -> None:
    with writing() as connection:
        revival.reopen(connection, job_id, first, by="ann", why="retry")


def test_a_revived_job_tells_its_new_end_once(receiver: Receiver) -> None:
    job_id = job_for(url_of(receiver))
    tell(job_id)
    revive(job_id, NOTIFY)
    tell(job_id)
    with pytest.raises(AlreadyOver):
        tell(job_id)
    assert rows(job_id) == [("webhook", "sent")] * 2
    first, second = (request.headers["webhook-id"] for request in receiver.requests)
    assert first != second


def test_a_retry_tells_only_those_who_were_not_told(receiver: Receiver) -> None:
    good, bad = url_of(receiver), url_of(receiver, "/gone")
    receiver.answer = lambda handler: reply(handler, 410 if handler.path == "/gone" else 204)
    job_id = job_for(good, bad)
    tell(job_id)
    assert view(job_id).state is JobState.PARTIAL
    receiver.answers(204)
    revive(job_id)
    tell(job_id)
    assert view(job_id).state is JobState.SUCCEEDED
    assert sorted(request.path for request in receiver.requests) == ["/gone", "/gone", "/hook"]


def test_a_worker_that_dies_between_telling_and_the_end_of_the_stage_tells_once(receiver: Receiver) -> None:
    job_id = job_for(url_of(receiver))
    with pytest.raises(SystemExit):
        tell(job_id, then=sys.exit)
    tell(job_id)
    assert len(receiver.requests) == 1
    assert step_of(job_id).summary == "1 told"


def test_a_worker_that_is_killed_while_sending_does_not_send_again(receiver: Receiver) -> None:
    job_id = job_for(url_of(receiver))
    program = "import sys; from tests.services.notify.test_tasks import tell; tell(sys.argv[1])"
    with subprocess.Popen([sys.executable, "-c", program, job_id], cwd=ROOT) as worker:
        receiver.answer = lambda _: worker.kill()
        assert worker.wait(60) == -signal.SIGKILL
    assert rows(job_id) == [("webhook", "sending")]
    with pytest.raises(StageFailed):
        tell(job_id)
    assert len(receiver.requests) == 1
    assert rows(job_id) == [("webhook", "unknown")]


def test_a_time_limit_that_strikes_while_sending_leaves_it_unknown(receiver: Receiver) -> None:
    def strike(*_: object) -> None:
        raise SoftTimeLimitExceeded

    job_id = job_for(url_of(receiver))
    receiver.answer = lambda _: signal.raise_signal(signal.SIGUSR1)  # as billiard's parent does with its own signal
    before = signal.signal(signal.SIGUSR1, strike)
    try:
        with pytest.raises(RetryLater):
            tell(job_id)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert rows(job_id) == [("webhook", "unknown")]
    with pytest.raises(StageFailed):
        tell(job_id, retries=1)
    assert len(receiver.requests) == 1


def test_who_is_in_the_job_and_in_the_settings_is_told_once(receiver: Receiver, configure: Configure) -> None:
    both, mine, ours = (url_of(receiver, path) for path in ("/both", "/mine", "/ours"))
    configure(ours, both)
    job_id = job_for(mine, both)
    tell(job_id)
    assert sorted(request.path for request in receiver.requests) == ["/both", "/mine", "/ours"]
    assert step_of(job_id).summary == "3 told"


def test_a_busy_receiver_is_told_at_the_next_attempt_under_the_same_id(receiver: Receiver) -> None:
    receiver.answers(503)
    job_id = job_for(url_of(receiver))
    with pytest.raises(RetryLater):
        tell(job_id)
    assert rows(job_id) == [("webhook", "failed")]
    receiver.answers(204)
    tell(job_id, retries=1)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert rows(job_id) == [("webhook", "sent")]
    assert view(job_id).state is JobState.SUCCEEDED


def test_the_summary_counts_who_was_told_and_who_was_not(receiver: Receiver) -> None:
    receiver.answer = _gone_at("/gone")
    job_id = job_for(url_of(receiver), url_of(receiver, "/gone"))
    tell(job_id)
    assert step_of(job_id).summary == "1 told · 1 failed"
    assert sorted(rows(job_id)) == [("webhook", "failed"), ("webhook", "sent")]
    assert view(job_id).state is JobState.PARTIAL


def test_without_destinations_nobody_is_told() -> None:
    job_id = job_for()
    tell(job_id)
    assert step_of(job_id).summary == "nobody to tell"


@pytest.mark.parametrize(
    ("destination", "channel"),
    [("mailto:ann@example.org", "email"), ("http://h:0/", "webhook"), ("gopher://h/", "")],
)
def test_a_destination_that_cannot_be_used_leaves_a_row_that_says_so(destination: str, channel: str) -> None:
    job_id = job_for(destination)
    with pytest.raises(StageFailed):
        tell(job_id)
    assert rows(job_id) == [(channel, "failed")]
    with reading() as connection:
        [row] = deliveries.of_job(connection, job_id)
    part = step_of(job_id, part_of(destination))
    assert part.failure is not None
    assert row.answer == part.failure.message


def _gone_at(path: str) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: reply(handler, 410 if handler.path == path else 204)


def test_a_receiver_that_keeps_failing_is_left_alone_and_told_when_it_is_well_again(receiver: Receiver) -> None:
    url = f"http://127.0.0.1:{receiver.port}/hook"
    receiver.answers(503)
    for _ in range(breaker.LIMIT):
        with pytest.raises(RetryLater):
            tell(job_for(url))
    asked = len(receiver.requests)

    waiting = job_for(url)
    for _ in range(5):  # more often than its class would be tried
        with pytest.raises(RetryLater) as put_off:
            tell(waiting)
        assert 1 <= put_off.value.after_s <= breaker.FIRST_S
    assert len(receiver.requests) == asked == breaker.LIMIT
    failure = step_of(waiting, part_of(url)).failure
    assert failure is not None
    assert failure.code == "host-paused"

    receiver.answers(204)
    client().hset(f"breaker:{ORG}:127.0.0.1:{receiver.port}", "until", 1)
    tell(waiting)
    tell(job_for(url))
    assert len(receiver.requests) == asked + 2
    assert rows(waiting) == [("webhook", "sent")]


def test_a_webhook_that_is_refused_stands_in_the_audit(
    receiver: Receiver, configure: Configure, fresh_settings: pytest.MonkeyPatch
) -> None:
    fresh_settings.setenv("VEDETTE_NOTIFY_PRIVATE_ADDRESSES", "false")
    settings.cache_clear()
    job_id = job_for(url_of(receiver, "/hooks/hidden"))
    with pytest.raises(StageFailed):
        tell(job_id)
    assert receiver.requests == []
    with reading() as connection:
        [line] = audit.page(connection, ORG, limit=10, action="webhook.refused")
    assert (line.actor, line.subject, line.detail["rule"]) == ("notify", f"job:{job_id}", "closed")
    assert "hidden" not in line.model_dump_json()
