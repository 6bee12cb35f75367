"""Where a process's spans and lines go: both to the bus, spans also to an OTLP endpoint; nowhere when turned off."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import bus, spool, testing
from shared.contracts.record import RecordBatch
from shared.recording import END_S

PROGRAM = """
import logging, os, sys
import structlog
from shared import recording, telemetry
from shared.settings import settings
from shared.telemetry.attributes import JOB, ORG

telemetry.start("scan", settings())

def say(name):
    with structlog.contextvars.bound_contextvars(job_id="j", org_id="o", stage="scan", attempt=1):
        with telemetry.span(name):
            structlog.get_logger().info("said." + name)
"""
PARENT_AND_CHILD = """
parent = recording.begin_lines("scan")
say("parent")
if os.fork() == 0:
    child = recording.begin("scan")
    say("child")
    child.end()
    os._exit(0)
os.wait()
parent.end()
"""
LASTING = """
mine = recording.begin("scan")
for n in range(50):
    say(f"n{n}")
mine.end()
"""
SPAWNED = """
import multiprocessing

def work():
    mine = recording.begin("scan")
    say("spawned")
    mine.end()

if __name__ == "__main__":
    mine = recording.begin("scan", 0.05)
    say("first")
    child = multiprocessing.get_context("spawn").Process(target=work)
    child.start()
    child.join()
    mine.end()
"""


def run(program: str, folder: Path, **environment: str) -> float:
    """Run a program to its end; return the seconds that it took."""
    script = folder / "program.py"
    script.write_text(PROGRAM + program)
    more = {**os.environ, "PYTHONPATH": ".", "VEDETTE_LOG_FORMAT": "json", **environment}
    began = time.monotonic()
    done = subprocess.run([sys.executable, str(script)], env=more, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return time.monotonic() - began


def kept() -> list[RecordBatch]:
    found: Any = bus.client().xrange(spool.STREAM)
    return [spool.opened(fields) for _, fields in found]


def names(batches: list[RecordBatch]) -> list[str]:
    return [span.name for batch in batches for span in batch.spans]


def lines(batches: list[RecordBatch]) -> list[str]:
    return [line.event for batch in batches for line in batch.lines]


@pytest.fixture
def blackhole() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.usefixtures("bus_url")
def test_a_parent_that_forks_keeps_its_lines_and_its_child_keeps_lines_and_spans_of_its_own(tmp_path: Path) -> None:
    run(PARENT_AND_CHILD, tmp_path)
    batches = kept()
    assert (names(batches), sorted(lines(batches))) == (["child"], ["said.child", "said.parent"])
    assert len({batch.process for batch in batches}) == 2


@pytest.mark.usefixtures("bus_url")
def test_a_process_that_is_spawned_records_for_itself(tmp_path: Path) -> None:
    run(SPAWNED, tmp_path)
    assert sorted(names(kept())) == ["first", "spawned"]
    assert len({batch.process for batch in kept()}) == 2


@pytest.mark.usefixtures("bus_url")
def test_with_tracing_off_nothing_is_kept(tmp_path: Path) -> None:
    run(LASTING, tmp_path, VEDETTE_TRACING="false")
    assert kept() == []


@pytest.mark.usefixtures("bus_url")
def test_the_standard_variable_that_disables_the_sdk_disables_all_spans_and_no_lines(tmp_path: Path) -> None:
    run(LASTING, tmp_path, OTEL_SDK_DISABLED="true")
    assert (names(kept()), len(lines(kept()))) == ([], 50)


@pytest.mark.usefixtures("bus_url")
@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "nonsense"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"},
    ],
)
def test_whatever_is_said_of_an_endpoint_the_own_store_has_the_spans(tmp_path: Path, variables: dict[str, str]) -> None:
    run(LASTING, tmp_path, **{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", **variables})
    assert len(names(kept())) == 50


@pytest.mark.usefixtures("bus_url")
def test_an_endpoint_that_never_answers_holds_up_the_end_of_a_process_for_seconds_at_most(
    tmp_path: Path, blackhole: int
) -> None:
    quiet = run(LASTING, tmp_path)
    took = run(LASTING, tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{blackhole}")
    assert len(names(kept())) == 100
    assert took < quiet * 2 + END_S + 2


@pytest.mark.usefixtures("bus_url")
def test_a_process_that_is_killed_loses_what_was_not_flushed_and_no_more(tmp_path: Path) -> None:
    dying = LASTING.replace("mine.end()", f'mine.flush(); say("unsent"); os.kill(os.getpid(), {int(signal.SIGKILL)})')
    with pytest.raises(AssertionError):
        run(dying, tmp_path)
    testing.wait_for(lambda: len(names(kept())) == 50, "what was flushed is there")
