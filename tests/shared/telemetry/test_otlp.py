"""Whether spans leave for an endpoint is for the standard variables to say; without one nothing is loaded."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from shared.telemetry import otlp

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
