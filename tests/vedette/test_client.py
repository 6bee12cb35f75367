"""The client against a real gateway, and against servers that nobody would wish for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from shared.contracts.events import EventType
from shared.contracts.job import JobState, JobView
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from shared.errors import InvalidInput
from tests.vedette.lab import TOKEN, Lab, answering, send
from vedette.client import Client
from vedette.client import http as module
from vedette.refusals import (
    AnswerNotUnderstood,
    GatewayFailed,
    NotAllowed,
    NothingThere,
    RequestWrong,
    StateForbids,
    TooMany,
    Unreachable,
    WaitTimedOut,
)


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with Client(lab.url, TOKEN) as client:
        yield client


def _submit(client: Client, **options: object) -> JobView:
    return client.submit([Target(host="127.0.0.77", ports="1")], Options.model_validate(options)).jobs[0]


def test_a_job_goes_its_way_and_leaves_a_report(client: Client) -> None:
    job = client.wait(_submit(client, reports=["json"]).id, timeout_s=30)
    assert job.state is JobState.SUCCEEDED
    assert client.findings(job.id) == []
    assert client.coverage(job.id).asked == 1
    assert [event.type for event in client.timeline(job.id)][-1] is EventType.JOB_FINISHED
    [view] = client.reports(job.id)
    file = client.report(job.id, "json")
    assert (file.filename, len(file.content)) == (view.filename, view.size_bytes)
    assert file.media_type.startswith("application/json")


def test_events_are_told_from_the_first_on_and_resumed_after_the_last_seen(client: Client) -> None:
    job = _submit(client)
    told = [event for event in client.events(job.id) if event.id]
    assert told[0].type is EventType.JOB_CREATED
    assert told[-1].type is EventType.JOB_FINISHED
    assert [event.id for event in client.events(job.id, told[2].id) if event.id] == [event.id for event in told[3:]]
    assert list(client.events(job.id, told[-1].id)) == []


def test_jobs_are_paged_newest_first(client: Client) -> None:
    made = [_submit(client).id for _ in range(3)]
    page = client.jobs(limit=2)
    assert [job.id for job in page.items] == made[:0:-1]
    assert client.jobs(limit=1, cursor=page.next).items[0].id == made[0]


def test_a_range_is_a_batch_in_the_order_of_its_hosts(client: Client) -> None:
    receipt = client.submit([{"kind": "host", "host": "127.0.0.1-3", "ports": "1"}])
    assert receipt.batch_id
    assert [job.target for job in client.batch(receipt.batch_id)] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_waiting_ends_in_time_and_the_job_stays(client: Client) -> None:
    job = _submit(client, tags={"do": "hold"})
    with pytest.raises(WaitTimedOut, match=job.id[-8:]):
        client.wait(job.id, timeout_s=0.1)
    assert client.job(job.id).state is JobState.QUEUED


def test_a_submission_with_the_same_key_is_made_once(client: Client) -> None:
    target = Target(host="127.0.0.77", ports="1")
    first, again = (client.submit([target], key="nightly-1").jobs[0].id for _ in range(2))
    assert first == again
    assert client.submit([target]).jobs[0].id != first


def test_a_refusal_names_the_field_and_the_trace(client: Client) -> None:
    with pytest.raises(RequestWrong) as refused:
        client.submit([{"kind": "host", "host": "127.0.0.1", "colour": "red"}])
    assert refused.value.problem
    assert refused.value.problem.errors[0].pointer == "/target/colour"
    assert len(refused.value.problem.trace_id) == 32


def test_an_unknown_job_and_a_wrong_token_have_errors_of_their_own(client: Client) -> None:
    with pytest.raises(NothingThere):
        client.job("00000000")
    with Client(client.url, "wrong") as stranger, pytest.raises(NotAllowed, match="token"):
        stranger.jobs()


def test_an_id_cannot_leave_its_path(client: Client) -> None:
    with pytest.raises((NothingThere, RequestWrong)):
        client.job("../../livez?x=1#")


def test_nobody_at_the_url_is_unreachable() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable, match="refused"):
        client.jobs()
    with Client("http://127.0.0.1:1") as client, pytest.raises(Unreachable):
        list(client.events("x"))


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000", "ftp://x", "http://", "http://x:99999", "http://[::1"])
def test_what_is_no_url_of_a_gateway_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="is not the URL"):
        Client(url)


def test_a_token_that_would_break_the_header_is_refused_and_never_shown() -> None:
    with pytest.raises(InvalidInput) as refused:
        Client("http://127.0.0.1:1", "line\r\nX-Evil: 1")
    assert "Evil" not in refused.value.message
    assert "secret" not in repr(Client("http://127.0.0.1:1", "secret"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestWrong),
        (401, NotAllowed),
        (403, NotAllowed),
        (404, NothingThere),
        (409, StateForbids),
        (418, RequestWrong),
        (429, TooMany),
        (500, GatewayFailed),
        (503, GatewayFailed),
        (302, AnswerNotUnderstood),
    ],
)
def test_every_status_is_an_error_even_without_a_problem(status: int, kind: type[Exception]) -> None:
    with answering(lambda handler: send(handler, b"<html>no", status)) as url, Client(url) as client:
        with pytest.raises(kind):
            client.jobs()
        with pytest.raises(kind):
            list(client.events("x"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff\xfe", b'{"items": 1}', b'{"items": [{}]}', b"null"])
def test_an_answer_of_another_shape_is_named_as_such(body: bytes) -> None:
    with (
        answering(lambda handler: send(handler, body)) as url,
        Client(url) as client,
        pytest.raises(AnswerNotUnderstood, match="JobPage"),
    ):
        client.jobs()


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 100_000)
    with answering(_pour) as url, Client(url) as client, pytest.raises(AnswerNotUnderstood, match="100000 bytes"):
        client.jobs()


def test_an_answer_that_comes_drop_by_drop_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 100_000)
    with answering(_drip) as url, Client(url, timeout_s=0.3) as client, pytest.raises(Unreachable, match="in time"):
        client.jobs()


def test_a_silent_server_is_given_up() -> None:
    with (
        answering(lambda _: threading.Event().wait(1.0)) as url,
        Client(url, timeout_s=0.2) as client,
        pytest.raises(Unreachable, match="in time"),
    ):
        client.jobs()


def test_an_oversized_event_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EVENT", 1000)
    body = b"event: job.created\ndata: " + b"x" * 5000 + b"\n\n"
    with (
        answering(lambda handler: send(handler, body, kind="text/event-stream")) as url,
        Client(url) as client,
        pytest.raises(Unreachable),
    ):
        list(client.events("x"))


def test_an_event_type_of_a_later_version_is_passed_over() -> None:
    body = b"event: job.sang\ndata: {}\n\n: comment\n\n"
    with answering(lambda handler: send(handler, body, kind="text/event-stream")) as url, Client(url) as client:
        assert list(client.events("x")) == []


def _pour(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"[")
    for _ in range(10_000):
        handler.wfile.write(b" " * 10_000)


def _drip(handler: BaseHTTPRequestHandler) -> None:
    send(handler, b"[")
    for _ in range(40):
        handler.wfile.write(b" ")
        threading.Event().wait(0.05)
