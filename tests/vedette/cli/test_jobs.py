"""`vedette jobs` and `vedette report` against a real gateway."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.vedette.lab import Lab, Vedette
from vedette.cli import jobs


@pytest.fixture
def done(lab: Lab, vedette: Vedette, open_redis: int) -> str:
    """The id of a job that is over and has findings and two reports."""
    ran = vedette("scan", "host", "127.0.0.1", "--ports", str(open_redis), "-o", "id", "-q")
    identifier = ran.out.strip()
    assert vedette("jobs", "wait", identifier).code == 0
    return identifier


def test_the_list_is_newest_first_and_says_when_there_is_more(done: str, vedette: Vedette) -> None:
    vedette("scan", "host", "127.0.0.1", "--ports", "1")
    ran = vedette("jobs", "list", "--limit", "1")
    assert done[-8:] not in ran.out
    assert "more than 1" in ran.err
    assert done[-8:] in vedette("jobs", "list", "--limit", "2").out


def test_a_list_longer_than_a_page_is_fetched_whole(
    lab: Lab, vedette: Vedette, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "PAGE", 2)
    ran = vedette(*("scan", "host", "127.0.0.1-7", "--ports", "1", "--report", "none"), *("-o", "jsonl", "-q"))
    batch = json.loads(ran.out.splitlines()[0])["batch_id"]
    assert len(set(vedette("jobs", "list", "--batch", batch, "-o", "id").out.split())) == 7
    assert len(vedette("jobs", "list", "--batch", batch[-8:], "--limit", "5", "-o", "id").out.split()) == 5
    assert vedette("jobs", "wait", "--batch", batch[-8:], "--timeout", "2m").code == 0


def test_a_state_filters_and_an_unknown_one_is_refused(done: str, vedette: Vedette) -> None:
    states = vedette("jobs", "list", "--state", "succeeded", "-o", "jsonl", "--fields", "state").out.split("\n")[:-1]
    assert {json.loads(line)["state"] for line in states} == {"succeeded"}
    assert vedette("jobs", "list", "--state", "happy").code == 2


@pytest.mark.parametrize("piece", [slice(-8, None), slice(-12, None), slice(0, 30), slice(None)])
def test_any_unique_piece_of_an_id_is_enough(done: str, vedette: Vedette, piece: slice) -> None:
    assert json.loads(vedette("jobs", "get", done[piece], "-o", "json").out)["id"] == done


def test_an_ambiguous_piece_exits_6_and_an_unknown_one_5(done: str, vedette: Vedette) -> None:
    vedette("scan", "host", "127.0.0.1", "--ports", "1")
    assert vedette("jobs", "get", done[:4]).code == 6
    assert vedette("jobs", "get", "00000000").code == 5
    assert vedette("jobs", "get", "../x").code == 2
    assert vedette("jobs", "watch", "--batch", "00000000-0000-0000-0000-000000000000").code == 5


def test_the_sheet_shows_stages_times_and_reports(done: str, vedette: Vedette) -> None:
    out = vedette("jobs", "get", done).out
    for said in ("scan", "process", "report", "notify", "Succeeded", "waited", done, "html, json", "lane"):
        assert said in out


def test_findings_are_worst_first_in_every_format(done: str, vedette: Vedette) -> None:
    rows = json.loads(vedette("jobs", "findings", done, "-o", "json").out)
    assert rows
    assert rows[0]["severity"] in {"critical", "high"}
    assert rows[0]["title"] in vedette("jobs", "findings", done).out.replace("\n", " ")
    table = csv.DictReader(io.StringIO(vedette("jobs", "findings", done, "-o", "csv", "--fields", "severity,fix").out))
    assert [row["severity"] for row in table] == [row["severity"] for row in rows]
    assert vedette("jobs", "findings", done, "-o", "id").out.split() == [row["id"] for row in rows]


def test_a_level_without_findings_says_so_on_stderr_alone(lab: Lab, vedette: Vedette) -> None:
    vedette("scan", "host", "127.0.0.1", "--ports", "1", "--report", "none", "--wait")
    ran = vedette("jobs", "findings", "--severity", "critical")
    assert (ran.code, ran.out) == (0, "")
    assert "No findings" in ran.err


def test_what_was_not_checked_again_is_counted_on_stderr(lab: Lab, vedette: Vedette, open_redis: int) -> None:
    for ports in (str(open_redis), "1"):
        vedette("scan", "host", "127.0.0.1", "--ports", ports, "--report", "none", "--wait")
    hidden = vedette("jobs", "findings")
    assert hidden.out == ""
    assert "not checked again (worst: " in hidden.err
    assert "--all" in hidden.err
    everything = vedette("jobs", "findings", "--all")
    assert "standing" in everything.out
    assert "Not shown" not in everything.err
    assert "not checked again" in vedette("jobs", "get").out


def test_reports_are_downloaded_by_format(done: str, vedette: Vedette) -> None:
    ran = vedette("report", "download", done, "--format", "json", "--output-dir", "new/folder")
    assert ran.code == 0
    [file] = Path("new/folder").iterdir()
    assert ran.out.strip() == f"./new/folder/{file.name}"
    assert json.loads(file.read_text())["job"]["id"] == done


def test_reports_are_listed_of_all_jobs_and_of_one(done: str, vedette: Vedette) -> None:
    told = json.loads(vedette("report", "list", "--limit", "500", "-o", "json").out)
    assert [one["format"] for one in told if one["job_id"] == done] == ["json", "html"]
    assert [one["format"] for one in json.loads(vedette("report", "list", done, "-o", "json").out)] == ["html", "json"]
    of_html = [one["id"] for one in told if one["format"] == "html"]
    assert vedette("report", "list", "--format", "html", "--limit", "500", "-o", "id").out.split() == of_html
    assert "more than 1" in vedette("report", "list", "--limit", "1").err
    assert "No reports" in vedette("report", "list", "--format", "odt").err


def test_a_missing_format_names_those_there_are(done: str, vedette: Vedette) -> None:
    ran = vedette("report", "download", done, "--format", "pdf")
    assert ran.code == 5
    assert "report create" in ran.err
    assert "It has: html, json" in ran.err


def test_reports_of_a_job_that_runs_are_not_there_yet(lab: Lab, vedette: Vedette) -> None:
    vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=hold")
    ran = vedette("report", "download")
    assert ran.code == 6
    assert "fix: vedette jobs watch" in ran.err


def test_an_unknown_field_names_those_there_are(done: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "get", done, "-o", "json", "--fields", "id,colour")
    assert ran.code == 2
    assert "severities" in ran.err


def test_a_wrong_token_exits_4_and_an_absent_gateway_8(lab: Lab, vedette: Vedette) -> None:
    assert vedette("jobs", "list", "--token", "wrong").code == 4
    assert vedette("--url", "http://127.0.0.1:1", "jobs", "list").code == 8
    assert vedette("jobs", "list", "--url", "gopher://x").code == 2


def test_global_options_hold_before_and_after_the_command(done: str, vedette: Vedette) -> None:
    before = vedette("-o", "id", "jobs", "list", "--limit", "1").out
    assert before == vedette("jobs", "list", "--limit", "1", "-o", "id").out
    assert before == vedette("-o", "json", "jobs", "list", "--limit", "1", "-o", "id").out
