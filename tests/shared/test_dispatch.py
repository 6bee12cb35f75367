"""What messages carry of their trace, as a real broker has them: sent, tried again, and as a stage sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery._state import _task_stack
from opentelemetry import trace

from shared import codec, dispatch, telemetry
from shared.broker import client, keys
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.delivery import Delivery
from shared.pipeline import build
from shared.queue import app, sending, tell
from shared.settings import settings
from tests import broker
from tests.spans import caught

JOB_SPAN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


ENVELOPE = Envelope(job_id="j1", org_id="local", kind="host", lane="scan")


@app.task(name="tests.dispatch")
def nothing() -> None: ...


def ids(span: Any) -> tuple[str, str]:
    return trace.format_trace_id(span.context.trace_id), trace.format_span_id(span.context.span_id)


@pytest.fixture(autouse=True)
def pointed(bus_url: str) -> Iterator[None]:
    with broker.pointed():
        yield


def send(**headers: str) -> dict[str, Any]:
    build(ENVELOPE).apply_async(headers=headers, retry=False)
    return message()


def message(lane: str = "scan") -> dict[str, Any]:
    """The newest message of a lane, with its headers."""
    link = client.client()
    raw = next(found for name in keys.lists(lane) if (found := link.lpop(name)))
    made: dict[str, Any] = json.loads(raw)
    return made


def received(made: dict[str, Any], **more: Any) -> Delivery:
    """What a stage is told of a message, as Celery gives it its request."""
    properties = made["properties"]
    nothing.push_request(
        **{**made["headers"], "properties": properties, "delivery_info": properties["delivery_info"], **more}
    )
    try:
        return dispatch.delivery(nothing)
    finally:
        nothing.pop_request()


def parts(traceparent: str) -> tuple[str, str]:
    _, trace_id, span_id, _ = traceparent.split("-")
    return trace_id, span_id


def test_a_message_carries_the_span_of_its_job_and_that_of_its_sending() -> None:
    before = time.time()
    headers = send(traceparent=JOB_SPAN)["headers"]
    assert headers["traceparent"] == JOB_SPAN
    assert parts(headers[keys.PRODUCER])[0] == parts(JOB_SPAN)[0]
    assert parts(headers[keys.PRODUCER])[1] != parts(JOB_SPAN)[1]
    assert before <= headers[keys.SENT_AT] <= time.time()


def test_without_a_header_it_is_of_the_span_that_sends() -> None:
    with telemetry.span("request", traceparent=JOB_SPAN):
        current = telemetry.traceparent()
        headers = send()["headers"]
    assert headers["traceparent"] == current
    assert parts(headers[keys.PRODUCER])[0] == parts(JOB_SPAN)[0]


def test_outside_of_any_span_it_is_sent_all_the_same() -> None:
    made = send()
    assert codec.unseal_raw(made).job_id == "j1"
    assert made["headers"]["traceparent"] == ""


def test_what_it_carries_is_signed() -> None:
    made = send(traceparent=JOB_SPAN)
    for name in ("traceparent", keys.PRODUCER, keys.SENT_AT):
        changed = {**made, "headers": {**made["headers"], name: "00-" + "1" * 32 + "-" + "1" * 16 + "-01"}}
        with pytest.raises(codec.BadSignature):
            codec.unseal_raw(changed)


def test_the_time_of_its_return_stays_with_a_message_that_was_lost_and_not_with_its_retry() -> None:
    headers = send(traceparent=JOB_SPAN, **{keys.RETURNED_AT: "1.0"})["headers"]
    assert keys.RETURNED_AT not in headers


def test_what_a_run_sends_is_of_its_job_and_sent_by_the_run() -> None:
    nothing.push_request(traceparent=JOB_SPAN)
    _task_stack.push(nothing)  # as Celery does around a run, and its messages are sent
    try:
        with telemetry.span("run", traceparent=JOB_SPAN) as run:
            dispatch.remember_run(nothing)
        with caught() as spans:
            tell(StageName.SCAN, ENVELOPE)
    finally:
        _task_stack.pop()
        nothing.pop_request()
    headers = message("notify")["headers"]
    [sending_] = spans
    assert (sending_.name, sending_.parent.span_id) == ("send notify", run.get_span_context().span_id)
    assert (headers["traceparent"], parts(headers[keys.PRODUCER])) == (JOB_SPAN, ids(sending_))


def test_a_stage_is_told_where_its_message_comes_from_and_when_it_was_sent() -> None:
    made = send(traceparent=JOB_SPAN)
    told = received(made, hostname="w@h", retries=2)
    headers = made["headers"]
    assert (told.worker, told.retries, told.traceparent, told.producer) == (
        "w@h",
        2,
        JOB_SPAN,
        headers[keys.PRODUCER],
    )
    assert (told.sent_at, told.due_at, told.returned_at, told.lane) == (headers[keys.SENT_AT], None, None, "scan")
    assert told.limit_s == sending(StageName.SCAN, ENVELOPE)["soft_time_limit"]


def test_the_moment_a_retry_is_due_is_told_as_unix_time() -> None:
    made = send(traceparent=JOB_SPAN)
    told = received(made, eta="2026-11-25T12:00:00.500000+00:00", **{keys.RETURNED_AT: "1764072000.25"})
    assert told.due_at == 1795608000.5
    assert told.returned_at is None
    assert received(made, **{keys.RETURNED_AT: 1764072000.25}).returned_at == 1764072000.25


@pytest.mark.parametrize("odd", ["", "yesterday", "9" * 400, [], {}, b"\xff"])
def test_odd_headers_are_as_none(odd: Any) -> None:
    told = received(send(traceparent=JOB_SPAN), eta=odd, timelimit=None, **{keys.SENT_AT: odd})
    assert (told.due_at, told.sent_at) == (None, None)
    assert told.limit_s == settings().stage_soft_limit_s
