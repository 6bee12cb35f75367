"""Dead letters as people see them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.dead_letter import DeadLetterGroup, DeadLetterView
from shared.contracts.triage import Payload
from shared.ids import new_id, now
from vedette.cli import letters
from vedette.cli.session import Session

FINGERPRINT = "5be1f6b0c2d4a9e1"


def _letter(**changes: Any) -> DeadLetterView:
    at = now()
    error = {
        "type": "x.HostUnreachable",
        "code": "host-unreachable",
        "message": "No port \x1b[31manswered.",
        "cure": "Is it up?",
    }
    plain = {
        "id": new_id(),
        "org_id": "local",
        "job_id": new_id(),
        "target": "10.0.0.7",
        "stage": "scan",
        "queue": "scan",
        "reason": "stage-failed",
        "failure_class": "external",
        "rule": "the class of HostUnreachable",
        "state": "open",
        "error": error,
        "fingerprint": FINGERPRINT,
        "first_failed_at": at - timedelta(hours=5),
        "last_failed_at": at - timedelta(minutes=3),
    }
    return DeadLetterView.model_validate(plain | changes)


def _group(**changes: Any) -> DeadLetterGroup:
    at = now()
    plain = {
        "fingerprint": FINGERPRINT,
        "failure_class": "external",
        "reason": "stage-failed",
        "stage": "scan",
        "error_type": "HostUnreachable",
        "message": "No port answered.",
        "count": 1412,
        "open": 12,
        "sample_id": new_id(),
        "first_failed_at": at - timedelta(days=2),
        "last_failed_at": at - timedelta(minutes=3),
    }
    return DeadLetterGroup.model_validate(plain | changes)


def test_a_group_has_its_counts_its_ages_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    letters.show_groups(Session(), [_group(), _group(is_poison=True, open=0, stage=None)])
    said = capsys.readouterr()
    [_, first, second] = said.out.splitlines()
    assert first.split()[:8] == ["12", "1412", "external", "scan", "3", "m", "2", "d"]
    assert "HostUnreachable: No port answered." in first
    assert "external poison" in second
    assert f"vedette dlq replay --group-id {FINGERPRINT}" in said.err


def test_forged_messages_are_not_offered_for_replay(capsys: pytest.CaptureFixture[str]) -> None:
    forged = _group(failure_class="security", fingerprint="0" * 16)
    letters.show_groups(Session(), [forged])
    assert "dlq replay" not in capsys.readouterr().err
    letters.show_groups(Session(), [forged, _group()])
    assert f"vedette dlq replay --group-id {FINGERPRINT}" in capsys.readouterr().err


def test_eighty_columns_hold_everything_and_the_error_has_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    poison = {"is_poison": True, "failure_class": "infrastructure", "stage": "process", "message": "long " * 40}
    letters.show_groups(Session(no_color=True), [_group(**poison)])
    letters.show(Session(no_color=True), [_letter(state="quarantined", **{k: poison[k] for k in list(poison)[:3]})])
    out = _without_style(capsys.readouterr().out)
    assert all(len(line) <= 80 for line in out.splitlines())
    assert FINGERPRINT in out
    assert "infrastructure poison" in out


def test_the_sheet_says_why_it_has_its_class_and_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    letters.sheet(Session(), _letter(deliveries=2, retries=1, count=3, memory_bytes=700 * 2**20, worker="scan@box"))
    said = capsys.readouterr()
    for part in (
        "external; the class of HostUnreachable",
        "2 deliveries, 1 retry",
        "3 times since 5 h",
        "scan@box, 700 MiB\n",
        "fix: Is it up?",
    ):
        assert part in said.out
    assert "\x1b" not in said.out
    assert "vedette dlq replay" in said.err


def test_what_can_be_done_fits_the_state(capsys: pytest.CaptureFixture[str]) -> None:
    letters.sheet(Session(), _letter(state="quarantined", is_poison=True))
    assert "--force" in capsys.readouterr().err
    letters.sheet(Session(), _letter(state="resolved"))
    said = capsys.readouterr().err
    assert "vedette jobs get" in said
    assert "replay" not in said
    letters.sheet(Session(), _letter(job_id=None))
    said = capsys.readouterr().err
    assert "replay" not in said
    assert "discard" in said


def test_a_message_is_shown_decoded_or_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    letters.show_payload(Session(), Payload(id="a", size_bytes=3, text="\x1b[2J", message=None))
    letters.show_payload(Session(), Payload(id="a", size_bytes=9**9, text="", message={"id": "é"}, is_cut=True))
    said = capsys.readouterr()
    assert said.out == '‹1B›[2J\n{\n  "id": "é"\n}\n'
    assert "387420489 bytes" in said.err


def _without_style(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
