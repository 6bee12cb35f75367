"""`vedette report create` against a real gateway, and how orders that end badly are told."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from shared.contracts.job import Failure, StepState
from shared.contracts.report import ReportOrder
from tests.vedette.lab import Lab, Vedette
from vedette.cli import orders
from vedette.cli.failure import Exit
from vedette.cli.session import Session

FORMATS = ["csv", "html", "json", "pdf", "sarif"]


@pytest.fixture
def done(lab: Lab, vedette: Vedette) -> str:
    """The id of a job that is over and has no report."""
    ran = vedette("scan", "host", "127.0.0.1", "--ports", "1", "--report", "none", "-o", "id", "-q")
    identifier = ran.out.strip()
    assert vedette("jobs", "wait", identifier).code == 0
    return identifier


def test_further_reports_are_made_told_and_written(done: str, vedette: Vedette, tmp_path: Path) -> None:
    ran = vedette("report", "create", done, "--format", "pdf,csv", "--output-dir", str(tmp_path / "out"), "-o", "json")
    assert ran.code == 0, ran.err
    assert [(one["format"], one["state"]) for one in json.loads(ran.out)] == [
        ("pdf", "succeeded"),
        ("csv", "succeeded"),
    ]
    assert {file.suffix for file in (tmp_path / "out").iterdir()} == {".pdf", ".csv"}
    assert "2 of 2" in ran.err
    assert [one["format"] for one in json.loads(vedette("report", "list", done, "-o", "json").out)] == ["csv", "pdf"]


def test_the_last_job_is_meant_where_none_is_named_and_what_is_there_is_not_made_again(
    done: str, vedette: Vedette
) -> None:
    first, second = (json.loads(vedette("report", "create", "--format", "json", "-o", "json").out) for _ in range(2))
    assert first == second
    assert first[0]["job_id"] == done
    assert "json" in vedette("report", "create", "--format", "json").out


def test_who_wants_a_report_that_is_not_there_is_told_how_to_have_it_made(done: str, vedette: Vedette) -> None:
    ran = vedette("report", "download", done)
    assert (ran.code, f"fix: Have it made: vedette report create {done[-8:]} --format pdf" in ran.err) == (5, True)


def test_without_a_terminal_there_is_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "LOG_EVERY_S", 0.0)
    out = io.StringIO()
    waiting = ReportOrder(job_id="x" * 36, format="pdf", state=StepState.RUNNING)
    with orders.Board(Console(file=out, width=200), is_quiet=False) as board:
        board.update([waiting])
        board.update([waiting.model_copy(update={"state": StepState.SUCCEEDED})])
    assert out.getvalue().splitlines() == ["0 of 1  1 report to come", "1 of 1  xxxxxxxx  pdf  succeeded"]


def test_whoever_does_not_wait_is_told_where_to_look(done: str, vedette: Vedette) -> None:
    ran = vedette("report", "create", "--format", "html", "--no-wait")
    assert ran.code == 0
    assert f"vedette report list {done[-8:]}" in ran.err


def test_what_cannot_be_made_says_why(done: str, vedette: Vedette) -> None:
    unknown = vedette("report", "create", "--format", "odt")
    assert (unknown.code, "There is: " in unknown.err) == (2, True)
    assert vedette("report", "create").code == 2
    assert vedette("report", "create", "--format", "pdf", "--no-wait", "--output-dir", "x").code == 2
    vedette("scan", "host", "127.0.0.1", "--ports", "1", "--tag", "do=hold")
    running = vedette("report", "create", "--format", "pdf")
    assert (running.code, "vedette jobs watch" in running.err) == (6, True)
    assert vedette("report", "create", "00000000", "--format", "pdf").code == 5


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        (["succeeded", "succeeded"], Exit.OK),
        (["succeeded", "failed"], Exit.PARTIAL),
        (["failed", "cancelled"], Exit.FAILED),
    ],
)
def test_an_order_that_failed_is_told_with_its_cure(
    ends: list[str], code: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    why = Failure(
        code="report-too-large", failure_class="resource", message="It is too large.", cure="Raise the limit."
    )
    of_each = [
        ReportOrder(
            job_id="x" * 36, format=FORMATS[place], state=StepState(end), failure=why if end == "failed" else None
        )
        for place, end in enumerate(ends)
    ]
    assert orders.show(Session(), of_each) is code
    assert ("Raise the limit." in capsys.readouterr().err) is ("failed" in ends)
