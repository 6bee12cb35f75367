"""Log lines of a real process: JSON, with job and trace; one job is one trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from shared import telemetry

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
PROGRAM = """
import logging
import structlog
from pydantic import SecretStr
from shared import telemetry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers import tenancy, tracing
from shared.layers.delivery import Delivery
from shared.settings import settings

telemetry.start("scan", settings())
telemetry.begin("scan", [])
log = structlog.get_logger()
log.info("before")
envelope = Envelope(job_id="j1", org_id="o1", kind="host", lane="scan")
delivery = Delivery("w", 2, 1.0, {traceparent!r})
with tracing.span_of(StageName.SCAN, envelope, delivery), tenancy.bound(StageName.SCAN, envelope, delivery):
    log.info("ours", secret=SecretStr("hunter2"), odd="a\\nb\\x00\\ud800", raw=b"\\xff")
    logging.getLogger("some.library").warning("theirs %s", "x")
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed")
logging.getLogger("kombu").info("chatter")
log.debug("too fine")
log.info("after")
"""


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    program = PROGRAM.format(traceparent=TRACEPARENT)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    assert b"hunter2" not in done.stderr
    assert done.stdout == b""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_every_line_is_one_json_object_with_its_service(lines: list[dict[str, Any]]) -> None:
    assert [line["event"] for line in lines] == ["before", "ours", "theirs x", "failed", "after"]
    assert {line["service"] for line in lines} == {"scan"}
    assert all(line["timestamp"].endswith("Z") and line["level"] for line in lines)


def test_lines_of_a_stage_carry_its_job_and_trace_ours_and_those_of_libraries(lines: list[dict[str, Any]]) -> None:
    for line in lines[1:4]:
        assert line["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert (line["job_id"], line["org_id"], line["stage"], line["attempt"]) == ("j1", "o1", "scan", 3)


def test_lines_outside_of_a_stage_carry_neither(lines: list[dict[str, Any]]) -> None:
    for line in (lines[0], lines[4]):
        assert not {"trace_id", "job_id", "stage"} & set(line)


def test_a_secret_is_not_shown_and_odd_values_do_not_break_the_line(lines: list[dict[str, Any]]) -> None:
    assert "**" in lines[1]["secret"]
    assert lines[1]["odd"] == "a\nb\x00\ud800"


def test_an_exception_is_in_its_line(lines: list[dict[str, Any]]) -> None:
    assert "ValueError: broken" in lines[3]["exception"]


def test_a_traceback_for_people_shows_no_local_variables() -> None:
    program = PROGRAM.format(traceparent=TRACEPARENT).replace("try:", "try:\n        password = 'hunt' + 'er2'")
    environment = {**os.environ, "VEDETTE_LOG_FORMAT": "console"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True, env=environment)
    assert b"ValueError: broken" in done.stderr
    assert b"hunter2" not in done.stderr


FORGED = "2026-11-25T12:00:00.000000Z [info     ] forged"
INJECTION = """
import logging
import structlog
from shared import telemetry
from shared.settings import settings

telemetry.start("gateway", settings())
evil = "x\\r\\n" + {forged!r} + "\\x1b[2J\\x9b31m\\x07\\u2028\\u202e"
log = structlog.get_logger()
log.info("a.path", path=evil, short="\\x1b[31mred", held=[evil], inner={{evil: evil}})
log.info(evil)
logging.getLogger("some.library").warning("it sent %s", evil)
try:
    raise ValueError(evil)
except ValueError:
    log.exception("a.failure", error=evil)
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_strangers_send_makes_no_line_of_its_own_and_steers_no_terminal(form: str) -> None:
    environment = {**os.environ, "VEDETTE_LOG_FORMAT": form}
    program = INJECTION.format(forged=FORGED)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True, env=environment)
    said = done.stderr.decode()
    assert not set(said) & set("\r\x1b\x9b\x07\u2028\u202e")
    lines = said.splitlines()
    assert not [line for line in lines if line.startswith(FORGED)]
    assert said.count("forged") >= 4
    if form == "json":
        assert len([json.loads(line) for line in lines]) == 4
    else:
        assert len([line for line in lines if not line.startswith("  ")]) == 4


def test_a_span_continues_the_trace_it_is_given() -> None:
    with telemetry.span("child", traceparent=TRACEPARENT):
        assert telemetry.trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert telemetry.traceparent().startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert (telemetry.trace_id(), telemetry.traceparent()) == ("", "")


@pytest.mark.parametrize("bad", ["", "x", "00-0-0-0", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 55])
def test_a_bad_traceparent_breaks_nothing(bad: str) -> None:
    with telemetry.span("alone", traceparent=bad):
        assert telemetry.trace_id() != "4bf92f3577b34da6a3ce929d0e0e4736"
