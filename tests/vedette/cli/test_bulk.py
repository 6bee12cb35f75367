"""Operations as people see them, and the exit codes they become."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.dead_letter import Forecast, Verdict
from shared.contracts.operation import Operation
from shared.ids import new_id, now
from vedette.cli import bulk, words
from vedette.cli.failure import Exit
from vedette.cli.session import Session


def _operation(**changes: Any) -> Operation:
    plain = {"id": new_id(), "org_id": "local", "kind": "dlq.replay", "state": "running", "created_at": now()}
    counts = {"total": 50, "done": 29, "skipped": 2, "succeeded": 28, "failed": 1}
    return Operation.model_validate(plain | counts | changes)


def test_the_line_has_a_bar_and_what_became_of_how_many() -> None:
    line = bulk.line(_operation(), words.UNICODE).plain
    assert " 62 %  29 of 50 replayed · 28 succeeded · 1 failed · 2 skipped" in line
    assert "━" in line
    assert bulk.line(_operation(), words.ASCII).plain.isascii()


@pytest.mark.parametrize(("state", "next_step"), [("running", "operations stop"), ("done", "operations get")])
def test_whoever_stops_watching_is_told_what_still_goes_on(
    state: str, next_step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operation = _operation(state=state, succeeded=0)
    bulk._left(Session(), operation)
    assert f"vedette {next_step} {operation.id[-8:]}" in capsys.readouterr().err


def test_one_that_is_over_has_no_bar_and_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    bulk.show(Session(), _operation(state="stopped", refused={"poison": 2}, note="Too many failed again."))
    out = capsys.readouterr().out
    assert "stopped" in out
    assert "━" not in out
    assert "2 not replayed: poison" in out
    assert "Too many failed again." in out


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "done", "skipped": 0, "failed": 0}, Exit.OK),
        ({"state": "done"}, Exit.PARTIAL),
        ({"state": "stopped", "skipped": 0, "failed": 0}, Exit.FAILED),
        ({"state": "failed"}, Exit.FAILED),
    ],
)
def test_exit_codes(changes: dict[str, Any], code: Exit) -> None:
    assert bulk.code(_operation(**changes)) == code


def test_a_forecast_says_how_many_and_why_not_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Verdict(id=new_id(), ok=False, code="poison", detail="It is quarantined.")
    forecast = Forecast(total=12, ok=10, refused={"poison": 2}, samples=[Verdict(id=new_id(), ok=True), verdict])
    assert bulk.forecast(Session(), forecast) == Exit.OK
    out = capsys.readouterr().out
    assert "10 of 12" in out
    assert "2 refused, poison: It is quarantined." in out


@pytest.mark.parametrize(
    ("changes", "is_settled"),
    [
        ({}, False),
        ({"state": "done"}, True),
        ({"state": "done", "succeeded": 27}, False),
        ({"state": "stopped", "succeeded": 27}, True),
        ({"state": "done", "kind": "jobs.cancel", "succeeded": 0}, True),
    ],
)
def test_a_replay_is_waited_for_until_all_that_was_replayed_has_ended(
    changes: dict[str, Any], is_settled: bool
) -> None:
    assert bulk._is_settled(_operation(**changes)) == is_settled
