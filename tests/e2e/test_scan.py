"""One command takes a real host through scan, process, report and notify."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from shared import testing
from tests.e2e.conftest import Home, alive
from tests.services.scan.farm import Farm

pytestmark = pytest.mark.e2e
SERVERS = {"ssh", "http", "smtp", "redis", "postgres"}


def _ports(farm: Farm) -> str:
    found = [port for name in ("sshd", "nginx", "exim", "redis", "postgres") for port in farm.ports(name).values()]
    return ",".join(str(port) for port in found)


def _redis(farm: Farm) -> str:
    return ",".join(str(port) for port in farm.ports("redis").values())


def test_a_scan_brings_its_own_stack_and_leaves_four_reports_and_no_process(
    home: Home, farm: Farm, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    ports = _ports(farm)
    done = home.run("scan", "host", "127.0.0.1", "--ports", ports, "--report", "pdf,html,json,csv", "--wait", cwd=out)
    assert done.returncode == 0, done.stderr
    by_format = {file.suffix: file for file in out.iterdir()}
    assert set(by_format) == {".pdf", ".html", ".json", ".csv"}
    document = json.loads(by_format[".json"].read_text())
    named = {seen["data"]["name"] for seen in document["observations"] if seen["type"] == "service"}
    assert named >= SERVERS
    assert {seen["type"] for seen in document["observations"]} >= {"host", "port", "service", "tls", "http"}
    assert document["coverage"]["asked"] == len(ports.split(","))
    assert by_format[".pdf"].read_bytes().startswith(b"%PDF-")
    assert b"</html>" in by_format[".html"].read_bytes()
    rows = list(csv.reader(by_format[".csv"].read_text("utf-8-sig").splitlines()))
    assert len(rows) - 1 == len(document["findings"]) > 0
    testing.wait_for(lambda: not alive(home.everybody()), "no process is left")


def test_a_machine_without_any_server_is_scanned_as_well(home: Home, greeter: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = home.run(
        *("scan", "host", "127.0.0.1", "--ports", str(greeter), "--report", "pdf,html,json,csv", "--wait"),
        *("--output-dir", str(out)),
    )
    assert done.returncode == 0, done.stderr
    assert {file.suffix for file in out.iterdir()} == {".pdf", ".html", ".json", ".csv"}
    document = json.loads(next(out.glob("*.json")).read_text())
    [service] = [seen["data"] for seen in document["observations"] if seen["type"] == "service"]
    assert (service["name"], service["product"], service["version"]) == ("ssh", "OpenSSH", "9.2")
    testing.wait_for(lambda: not alive(home.everybody()), "no process is left")


def test_a_second_scan_says_what_changed(stack: Home, farm: Farm, tmp_path: Path) -> None:
    ports = _redis(farm)
    for _ in range(2):
        done = stack.run("scan", "host", "127.0.0.1", "--ports", ports, "--report", "json", "--wait", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    newest = max(tmp_path.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    change = json.loads(newest.read_text())["assessment"]["change"]
    assert change["unchanged"]
    assert not change["new"]
    assert not change["fixed"]


def test_the_log_of_a_job_tells_what_every_stage_did(stack: Home, greeter: int) -> None:
    job = stack.run("scan", "host", "127.0.0.1", "--ports", str(greeter), "--no-wait", "-o", "id").stdout.strip()
    told = stack.run("jobs", "logs", job, "--follow", "-o", "jsonl")
    assert told.returncode == 0, told.stderr
    lines = sorted((json.loads(line) for line in told.stdout.splitlines()), key=lambda line: str(line["at"]))
    stages = ("scan", "process", "report", "notify")
    began = [(line["stage"], line["event"]) for line in lines if line["event"].startswith("stage.")]
    assert began == [(stage, event) for stage in stages for event in ("stage.began", "stage.ended")]
    assert len({line["process"] for line in lines}) == len(stages)
    assert len({line["trace_id"] for line in lines}) == 1
    for_people = stack.run("jobs", "logs", job, "--stage", "report").stdout
    assert "stage.ended" in for_people
    assert "scan" not in for_people
    assert "leave out --level" in stack.run("jobs", "logs", job, "--level", "error").stderr


def test_fail_on_makes_findings_an_exit_code(stack: Home, farm: Farm, tmp_path: Path) -> None:
    ports = _redis(farm)
    done = stack.run("scan", "host", "127.0.0.1", "--ports", ports, "--wait", "--fail-on", "low", cwd=tmp_path)
    assert done.returncode == 3


def test_a_network_is_a_batch(stack: Home, farm: Farm, tmp_path: Path) -> None:
    ports = _redis(farm)
    done = stack.run("scan", "host", "127.0.0.0/30", "--ports", ports, "--report", "json", "--wait", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.json"))) == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["scan", "host", "no-such-name.invalid"], "no-such-name.invalid"),
        (["scan", "host", "127.0.0.1", "--ports", "70000"], "70000"),
        (["scan", "host", "127.0.0.1", "--ports", "5-1"], "5-1"),
        (["scan", "host", "127.0.0.1", "--report", "docx"], "docx"),
        (["scan", "host", "127.0.0.1", "--wait", "--output-dir", "/proc/nowhere"], "/proc/nowhere"),
        (["scan", "host", "127.0.0.1", "--notify", "gopher://x"], "--notify"),
    ],
)
def test_bad_input_names_the_thing_and_leaves_nothing(
    stack: Home, arguments: list[str], named: str, tmp_path: Path
) -> None:
    before = stack.run("jobs", "list", "-o", "id").stdout
    refused = stack.run(*arguments, cwd=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())
    assert stack.run("jobs", "list", "-o", "id").stdout == before


def test_a_further_report_is_made_of_a_job_that_is_over(stack: Home, tmp_path: Path) -> None:
    asked = ("scan", "host", "127.0.0.1", "--ports", "1", "--report", "none", "--wait", "-q", "-o", "id")
    job = stack.run(*asked).stdout.strip()
    out = tmp_path / "out"
    done = stack.run("report", "create", job, "--format", "csv,html", "--timeout", "60s", "--output-dir", str(out))
    assert done.returncode == 0, done.stderr
    assert {file.suffix for file in out.iterdir()} == {".csv", ".html"}
    assert stack.run("doctor").returncode == 0  # no message was taken for one of somebody else
