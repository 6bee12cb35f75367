"""`vedette scan` against a real gateway whose jobs are really carried out."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.vedette.lab import Lab, Vedette
from vedette.cli import scan
from vedette.client import Client


def test_waiting_shows_the_stages_downloads_the_reports_and_says_what_came_out(
    lab: Lab, vedette: Vedette, open_redis: int
) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", str(open_redis), "--wait")
    assert ran.code == 0
    assert "Job " in ran.err
    assert [line.split()[0] for line in ran.err.splitlines()[1:5]] == ["scan", "process", "report", "notify"]
    assert "1 critical" in ran.out or "1 high" in ran.out
    assert "Score" in ran.out
    files = sorted(path.name for path in Path().iterdir())
    assert [Path(name).suffix for name in files] == [".html", ".json"]
    assert all(f"./{name}" in ran.out for name in files)
    assert "vedette jobs findings" in ran.err


def test_without_waiting_the_job_is_submitted_and_one_is_told_how_to_watch_it(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=hold")
    assert ran.code == 0
    assert "queued" in ran.out
    assert "vedette jobs watch" in ran.err
    assert list(Path().iterdir()) == []


def test_ids_alone_can_be_piped(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1-2", "--ports", "1", "-o", "id", "-q")
    assert [len(line) for line in ran.out.splitlines()] == [36, 36]
    assert ran.err == ""


@pytest.mark.parametrize(("level", "code"), [("critical", None), ("high", 3), ("info", 3)])
def test_findings_at_or_above_the_level_exit_3(
    lab: Lab, vedette: Vedette, open_redis: int, level: str, code: int | None
) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", str(open_redis), "--fail-on", level, "--report", "none")
    assert ran.code == (code if code is not None else (3 if "critical" in ran.out else 0))


def test_a_clean_host_passes_the_gate(lab: Lab, vedette: Vedette) -> None:
    assert vedette("scan", "host", "127.0.0.1", "--ports", "1", "--fail-on", "info", "--report", "none").code == 0


def test_a_failed_job_exits_1_with_its_cure_and_cannot_steer_the_terminal(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=fail", "--wait")
    assert ran.code == 1
    assert "on fire" in ran.out
    assert "fix: Call the fire brigade." in ran.err
    assert "\x1b" not in ran.out + ran.err


def test_a_partial_job_exits_9_and_names_the_part(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=partial", "--wait")
    assert ran.code == 9
    assert "Partial" in ran.out


def test_a_wait_that_times_out_exits_7_and_the_job_goes_on(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=hold", "--timeout", "0.3s")
    assert ran.code == 7
    assert "fix: vedette jobs explain" in ran.err
    lab.release.touch()
    assert vedette("jobs", "wait", "@last", "--timeout", "30s").code == 0


def test_several_hosts_are_one_batch_with_the_code_of_the_worst(lab: Lab, vedette: Vedette, open_redis: int) -> None:
    ran = vedette(
        *("scan", "host", "127.0.0.1", "127.0.0.2", "--ports", str(open_redis), "--wait"),
        *("--fail-on", "high", "-o", "jsonl", "--fields", "target,score,files"),
    )
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert ran.code == 3
    assert [row["target"] for row in rows] == ["127.0.0.1", "127.0.0.2"]
    assert rows[0]["score"] < rows[1]["score"] == 100
    assert all(Path(file).exists() for row in rows for file in row["files"])


def test_a_batch_shows_totals_for_people(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1-3", "--ports", "1", "--wait", "--report", "none")
    assert ran.code == 0
    assert "3 of 3 over" in ran.out
    assert sum("succeeded" in line for line in ran.err.splitlines()) == 3


def test_reports_are_never_overwritten(lab: Lab, vedette: Vedette) -> None:
    assert vedette("scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--report", "json").code == 0
    [first] = Path().iterdir()
    first.write_text("mine")
    ran = vedette("report", "download", "@last")
    assert ran.code == 0
    assert first.read_text() == "mine"
    assert f"{first.stem}-2.json" in ran.out


def test_targets_come_from_a_file_and_from_stdin(lab: Lab, vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("t.txt").write_text("\ufeff# ours\n127.0.0.1  # laptop\n\n127.0.0.1\n127.0.0.2\n", encoding="utf-8")
    body = json.loads(vedette("scan", "host", "--file", "t.txt", "--dry-run", "-o", "json").out)
    assert [target["host"] for target in body["targets"]] == ["127.0.0.1", "127.0.0.2"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"127.0.0.3\n")))
    body = json.loads(vedette("scan", "host", "127.0.0.9", "--file", "-", "--dry-run", "-o", "json").out)
    assert [target["host"] for target in body["targets"]] == ["127.0.0.9", "127.0.0.3"]


def test_a_dry_run_needs_nobody(vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_URL", "http://127.0.0.1:1")
    ran = vedette("scan", "host", "10.0.0.0/29", "--ports", "1-10", "--dry-run", "--tag", "a=b", "--notify", "a@b.c")
    assert ran.code == 0
    assert "Would submit 6 jobs: 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5 and 1 more" in ran.out
    assert "mailto:a@b.c" in ran.out
    assert "nobody was asked whether these may be scanned" in " ".join(ran.err.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["bad host!"],
        [],
        ["127.0.0.1", "--ports", "0"],
        ["127.0.0.1", "--ports", "1", "--port-groups", "high"],
        ["127.0.0.1", "--port-groups", "huge"],
        ["10.0.0.0/8"],
        ["127.0.0.1", "--tag", "novalue"],
        ["127.0.0.1", "--tag", "Big=1"],
        ["127.0.0.1", "--report", "p df"],
        ["127.0.0.1", "--notify", "gopher://x"],
        ["127.0.0.1", "--timeout", "soon"],
        ["127.0.0.1", "--profile", "fast"],
        ["127.0.0.1", "--fail-on", "awful"],
        ["--file", "/nonexistent"],
        ["127.0.0.1", "--ports", ""],
        ["127.0.0.1", "--wait", "--output-dir", "/proc/none"],
        ["127.0.0.1", "--wait", "--output-dir", "/etc/passwd"],
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("VEDETTE_URL", "http://127.0.0.1:1")
    ran = vedette("scan", "host", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert "\nfix: " in ran.err


def test_the_gateways_refusal_names_the_thing_without_pointers(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.1", "--report", "docx")
    assert ran.code == 2
    assert "'docx' is unknown" in ran.err
    assert "/reports" not in ran.err
    assert "trace: " in ran.err


def test_nothing_is_submitted_that_nobody_would_carry_out(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VEDETTE_URL", raising=False)
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path))
    ran = vedette("scan", "host", "127.0.0.1", "--no-wait")
    assert ran.code == 2
    assert "fix: vedette up --detach" in ran.err


def test_the_words_of_the_options_are_those_of_the_contracts() -> None:
    from typing import get_args

    from shared.contracts.finding import Severity
    from shared.contracts.job import JobState, Priority, Profile
    from shared.contracts.submission import MAX_TARGETS
    from vedette.cli import jobs, options, words

    assert list(get_args(scan.Profile)) == list(Profile)
    assert list(get_args(scan.Priority)) == list(Priority)
    assert list(get_args(scan.Severity)) == list(Severity) == list(words.SEVERITIES)
    assert list(get_args(jobs.State)) == list(JobState)
    assert options.MAX_LINES == MAX_TARGETS


def test_the_last_job_is_remembered(lab: Lab, vedette: Vedette) -> None:
    assert vedette("jobs", "get").code == 2
    submitted = vedette("scan", "host", "127.0.0.1", "--ports", "1", "-o", "id").out.strip()
    assert json.loads(vedette("jobs", "get", "-o", "json").out)["id"] == submitted
    with Client(lab.url, "a-token-of-the-tests") as client:
        client.wait(submitted, 30)
