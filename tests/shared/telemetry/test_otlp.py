"""Whether spans leave for an endpoint is for the standard variables to say; without one nothing is loaded.

While an endpoint is away spans are dropped, not made ready; when it is back they go there again.
"""

from __future__ import annotations

import itertools
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from shared import testing
from shared.telemetry import otlp
from shared.telemetry.otlp import LONGEST_S, SHORTEST_S, Endpoint, Patient
from tests.collector import collector

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    ("variables", "is_asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_the_variables_say(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], *, is_asked: bool) -> None:
    for name in ("ENDPOINT", "TRACES_ENDPOINT"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert otlp.is_asked_for() is is_asked


def test_without_an_endpoint_no_exporter_is_loaded() -> None:
    program = "import sys; from shared.telemetry import otlp; print(otlp.processors(), 'requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["[]", "False"]


def test_an_endpoint_that_is_away_is_told_of_once_a_minute() -> None:
    seldom = otlp.Seldom()
    line = logging.makeLogRecord({"msg": "away", "created": 1000.0})
    told = []
    for second in range(0, 150, 5):
        line.created = 1000.0 + second
        told += [second] if seldom.filter(line) else []
    assert told == [0, 60, 120]


class Away(SpanExporter):
    """An exporter to an endpoint that takes nothing, until it is told otherwise."""

    def __init__(self) -> None:
        self.tried: list[int] = []
        self.is_back = False
        self.meanwhile: Callable[[], object] = bool

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.tried.append(len(spans))
        self.meanwhile()
        return SpanExportResult.SUCCESS if self.is_back else SpanExportResult.FAILURE


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 1000.0
        monkeypatch.setattr(otlp.time, "monotonic", lambda: self.at)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


SPANS = [ReadableSpan("one"), ReadableSpan("two")]


def test_an_endpoint_that_is_away_is_tried_ever_more_seldom(clock: Clock) -> None:
    away = Away()
    endpoint = Endpoint(away)
    at = []
    for _ in range(600):
        clock.at += 1
        before = len(away.tried)
        assert endpoint.export(SPANS) is SpanExportResult.FAILURE
        at += [clock.at] if len(away.tried) > before else []
    pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert pauses[:4] == [SHORTEST_S, 2 * SHORTEST_S, 4 * SHORTEST_S, 8 * SHORTEST_S]
    assert set(pauses[4:]) == {LONGEST_S}


def test_one_that_is_back_gets_all_that_comes_and_the_log_says_what_was_dropped(clock: Clock) -> None:
    away = Away()
    endpoint = Endpoint(away)
    with capture_logs() as said:
        endpoint.export(SPANS)
        assert [endpoint.drops() for _ in range(3)] == [True] * 3
        away.is_back, clock.at = True, clock.at + SHORTEST_S
        assert not endpoint.drops()
        assert endpoint.export(SPANS) is SpanExportResult.SUCCESS
        assert endpoint.export(SPANS) is SpanExportResult.SUCCESS
    assert away.tried == [2, 2, 2]
    assert [(line["event"], line["dropped"]) for line in said] == [
        ("otlp.endpoint.away", 2),
        ("otlp.endpoint.back", 5),
    ]


def test_while_it_is_tried_again_nothing_more_waits_for_it(clock: Clock) -> None:
    away = Away()
    endpoint = Endpoint(away)
    away.meanwhile = lambda: dropped.append(endpoint.drops())
    dropped: list[bool] = []
    endpoint.export(SPANS)
    clock.at += SHORTEST_S
    endpoint.export(SPANS)
    assert dropped == [False, True]  # the first one may only be slow


def test_one_that_raises_is_tried_again(clock: Clock) -> None:
    away = Away()
    endpoint = Endpoint(away)
    endpoint.export(SPANS)
    away.meanwhile = lambda: int("no number")
    clock.at += SHORTEST_S
    with pytest.raises(ValueError, match="no number"):
        endpoint.export(SPANS)
    away.meanwhile, away.is_back = bool, True
    clock.at += LONGEST_S
    assert endpoint.export(SPANS) is SpanExportResult.SUCCESS
    assert not endpoint.drops()


def test_a_busy_process_whose_endpoint_does_not_answer_makes_no_second_batch_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    away, was_tried = Away(), threading.Event()
    away.meanwhile = was_tried.set
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(patient := Patient(away))
    tracer = provider.get_tracer("tests")
    tracer.start_span("first").end()
    assert was_tried.wait(10)
    testing.wait_for(lambda: patient._endpoint.drops(0), "the endpoint is known to be away")
    for _ in range(5000):
        tracer.start_span("more").end()
    provider.shutdown()
    assert away.tried == [1]


def test_spans_reach_a_real_collector_that_came_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "SHORTEST_S", 0.1)
    monkeypatch.setattr(otlp, "LONGEST_S", 0.1)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}/v1/traces", timeout=0.2)
    provider.add_span_processor(patient := Patient(exporter))
    tracer = provider.get_tracer("tests")
    tracer.start_span("lost").end()
    testing.wait_for(lambda: patient._endpoint.drops(0), "the endpoint is known to be away")
    with collector(port) as late:

        def came() -> bool:
            tracer.start_span("late").end()
            return bool(late.spans)

        testing.wait_for(came, "the collector has a span")
        provider.shutdown()
    assert {span.name for span in late.spans} == {"late"}
