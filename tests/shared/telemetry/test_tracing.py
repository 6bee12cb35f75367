"""Spans, those of a time that is over, and the trace of a job: parents, links, errors without their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace

from shared import telemetry
from shared.telemetry.attributes import JOB, ORG, SEGMENT
from tests.spans import caught, tree

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECONDS = st.floats(0, 4_000_000_000)


def test_a_span_is_below_the_current_one_or_the_one_it_is_told() -> None:
    with (
        caught() as spans,
        telemetry.span("outer"),
        telemetry.span("inner"),
        telemetry.span("told", traceparent=PARENT),
    ):
        pass
    inner, told = spans[1], spans[0]
    assert tree(spans) == {"told": "", "inner": "outer", "outer": ""}
    assert told.parent is not None
    assert (told.context.trace_id, told.parent.span_id) == (int(PARENT[3:35], 16), int(PARENT[36:52], 16))
    assert inner.context.trace_id != told.context.trace_id


def test_an_exception_makes_it_an_error_by_its_type_and_tells_nothing_of_its_text() -> None:
    with caught() as spans, pytest.raises(ValueError, match="hunter2"), telemetry.span("work"):
        raise ValueError("hunter2")
    [span] = spans
    assert (span.status.is_ok, (span.attributes or {})["error.type"]) == (False, "ValueError")
    assert "hunter2" not in span.to_json()


def test_what_was_said_of_an_error_before_it_left_stays() -> None:
    def work() -> None:
        with telemetry.span("work") as current:
            telemetry.fail(current, "HostSilent", "It was silent.", {"n": 1})
            raise ValueError("x")

    with caught() as spans, pytest.raises(ValueError, match="x"):
        work()
    [span] = spans
    assert ((span.attributes or {})["error.type"], span.status.description) == ("HostSilent", "It was silent.")


def test_a_secret_in_what_is_said_of_an_error_does_not_leave_for_an_endpoint() -> None:
    with caught() as spans, telemetry.span("work") as current:
        telemetry.fail(current, "Refused", "redis://:canary@h/0 refused VEDETTE_TOKEN=canary")
    [span] = spans
    assert "canary" not in span.to_json()
    assert span.status.description == "redis://***@h/0 refused VEDETTE_TOKEN=***"


@given(SECONDS, SECONDS)
def test_a_span_of_a_time_that_is_over_never_ends_before_it_began(began: float, ended: float) -> None:
    with caught() as spans:
        telemetry.past("wait", began, ended, {}, traceparent=PARENT)
    [span] = spans
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time == int(began * 1e9)
    assert span.end_time >= span.start_time


def test_a_job_is_in_the_trace_of_the_request_that_makes_it() -> None:
    with caught() as spans, telemetry.span("POST"):
        trace_id, traceparent = telemetry.job_trace("j", "o", "host")
    job, request = spans
    assert tree(spans) == {"job": "POST", "POST": ""}
    assert (trace_id, traceparent.split("-")[2]) == (f"{request.context.trace_id:032x}", f"{job.context.span_id:016x}")
    assert ((job.attributes or {})[SEGMENT], (request.attributes or {})[JOB]) == ("job", "j")


@pytest.mark.parametrize("origin", ["", PARENT])
def test_a_further_run_or_one_of_several_jobs_has_a_trace_of_its_own_that_is_linked(origin: str) -> None:
    with caught() as spans, telemetry.span("POST"):
        current = telemetry.traceparent()
        trace_id, _ = telemetry.job_trace("j", "o", "host", linked_to=origin)
    job, request = spans
    [link] = job.links
    assert (job.parent, f"{link.context.span_id:016x}") == (None, (origin or current).split("-")[2])
    assert trace_id == f"{job.context.trace_id:032x}" != f"{request.context.trace_id:032x}"
    assert JOB not in (request.attributes or {})
    assert (request.attributes or {})[ORG] == "o"


@given(st.text())
def test_no_traceparent_is_too_odd(text: str) -> None:
    with caught() as spans:
        telemetry.past("a", 1, 2, {}, traceparent=text, linked_to=text)
        telemetry.open_span("b", {}, traceparent=text)[0].end()
    assert [span.name for span in spans] == ["a", "b"]


def test_an_open_span_is_not_the_current_one() -> None:
    with caught() as spans:
        opened, traceparent = telemetry.open_span("send", {}, traceparent=PARENT)
        assert trace.get_current_span() is trace.INVALID_SPAN
        opened.end()
    assert traceparent.split("-")[2] == f"{spans[0].context.span_id:016x}"
