"""`vedette jobs trace` against a real gateway."""

from __future__ import annotations

import json
import os
import subprocess

from tests.vedette.lab import ROOT, Lab, Vedette
from tests.vedette.terminal import COMMAND, Terminals, until


def test_the_waterfall_has_the_job_where_its_time_went_and_a_row_for_each_stage(done: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "trace", done[-8:])
    assert ran.code == 0
    for said in (f"Job {done[-8:]}", "succeeded", "ran ", "run scan", "run process", "run report", "run notify"):
        assert said in ran.out
    assert all(len(line) <= 100 for line in ran.out.splitlines())
    assert "vedette jobs" in ran.err


def test_its_width_and_its_formats_are_chosen(done: str, vedette: Vedette) -> None:
    assert all(len(line) <= 60 for line in vedette("jobs", "trace", done, "--width", "60").out.splitlines())
    found = json.loads(vedette("jobs", "trace", done, "--format", "json").out)
    assert found["jobs"][0]["id"] == done
    assert found == {**json.loads(vedette("jobs", "trace", done, "-o", "json").out), "as_of": found["as_of"]}
    names = [json.loads(line)["name"] for line in vedette("jobs", "trace", done, "-o", "jsonl").out.splitlines()]
    assert names == [span["name"] for span in found["spans"]]
    assert vedette("jobs", "trace", done, "-o", "id").out.strip() == found["trace_id"]
    assert vedette("jobs", "trace", done, "-o", "csv", "--fields", "name,stage").out.startswith("name,stage\njob,")
    assert "resourceSpans" in json.loads(vedette("jobs", "trace", done, "--format", "otlp").out)


def test_a_trace_is_found_by_its_own_id_too(done: str, vedette: Vedette) -> None:
    trace_id = json.loads(vedette("jobs", "get", done, "-o", "json").out)["trace_id"]
    assert f"Job {done[-8:]}" in vedette("jobs", "trace", trace_id).out
    assert "resourceSpans" in vedette("jobs", "trace", trace_id, "--format", "otlp").out
    assert vedette("jobs", "trace", trace_id, "--run", "1").code == 2
    assert vedette("jobs", "trace", "0" * 32).code == 5


def test_a_run_is_chosen_and_one_that_was_not_is_not_found(done: str, vedette: Vedette) -> None:
    assert vedette("jobs", "trace", done, "--run", "1").code == 0
    assert vedette("jobs", "trace", done, "--run", "7").code == 5


def test_a_failed_job_has_its_error_in_the_picture(lab: Lab, vedette: Vedette) -> None:
    identifier = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=fail", "-o", "id", "-q").out.strip()
    vedette("jobs", "wait", identifier)
    ran = vedette("jobs", "trace", identifier)
    assert f"vedette jobs explain {identifier[-8:]}" in ran.err
    assert "permanent" in ran.out


def test_a_pipe_that_is_no_unicode_gets_ascii_and_no_colours(done: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(
        [*COMMAND, "jobs", "trace", done], env=environment, capture_output=True, timeout=60, check=True
    )
    assert b"* |-run scan" in ran.stdout
    assert b"#" in ran.stdout
    assert ran.stdout.isascii()
    assert b"\x1b" not in ran.stdout


def test_without_a_terminal_following_prints_the_end_once(lab: Lab, vedette: Vedette) -> None:
    identifier = vedette("scan", "host", "127.0.0.1", "--ports", "1", "-o", "id", "-q").out.strip()
    ran = vedette("jobs", "trace", identifier, "--follow")
    assert ran.out.count("Job ") == 1
    assert "succeeded" in ran.out


def test_on_a_terminal_it_is_drawn_until_the_job_is_over(lab: Lab, vedette: Vedette, terminals: Terminals) -> None:
    tag = ("--tag", "do=slow")
    identifier = vedette("scan", "host", "127.0.0.1", "--ports", "1", *tag, "-o", "id", "-q").out.strip()
    child, screen = terminals.run(80, "jobs", "trace", identifier, "-f")
    assert "so far" in until(screen, "run scan")
    lab.release.touch()
    assert "succeeded" in until(screen, "run notify")
    assert child.wait(30) == 0
