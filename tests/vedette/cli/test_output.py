"""Results on stdout, made of what strangers said."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from vedette.cli import output
from vedette.cli.session import Session

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n[red]x[/red] [link=https://example.org]y[/link]"
ROW: dict[str, Any] = {
    **dict.fromkeys(("id", "state", "severity", "target", "created_at", "message"), STEERING),
    "tags": {STEERING: STEERING},
    "formula": "=cmd|' /C calc'!A0",
}


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv", "id"])
@pytest.mark.parametrize("columns", ["60", "200"])
def test_no_format_lets_a_value_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: Any, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    output.records(Session(output=form, no_color=True), [ROW], tuple(ROW), empty="")
    output.record(Session(output=form, no_color=True), ROW)
    said = capsys.readouterr().out
    assert not set(said) & set("\x1b\x07\x9b\u202e\r")
    assert said.count("owned") >= 2 or form == "id"


def test_what_looks_like_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    output.records(Session(no_color=True), [{"title": "[red]x[/red]"}], ("title",), empty="")
    assert "[red]x[/red]" in capsys.readouterr().out


@pytest.mark.parametrize("said", ["=1+1", " =1+1", '"=1+1', "＝1", "a;=1+1", "a\n@x"])
def test_no_cell_of_csv_becomes_a_formula(capsys: pytest.CaptureFixture[str], said: str) -> None:
    output.records(Session(output="csv"), [{"name": said, "points": -2.5}], ("name", "points"), empty="")
    [_, [name, points]] = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert "'" in name
    assert points == "-2.5"


def test_json_lines_are_one_line_each_and_read_back_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    output.records(Session(output="jsonl"), [ROW, ROW], tuple(ROW), empty="")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [ROW, ROW]


def test_people_read_memberships_and_times_of_an_audit_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"orgs": {"acme": "admin", "local": "viewer"}, "scopes": [], "at": "2026-11-25T19:14:32.031882Z"}
    output.records(Session(no_color=True), [row], tuple(row), empty="")
    assert "acme (admin), local (viewer)        2026-11-25 19:14:32" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "shown"),
    [
        ("at", "2026-11-25 19:14:32", "11-25 19:14"),
        ("subject", "job:01a2142c-3701-7212-bc57-ca072e2d14da", "job:2e2d14da"),
        ("subject", "tcp/127.0.0.1:808", "tcp/127.0.0.1:808"),
    ],
)
def test_a_narrow_terminal_is_spared_what_can_be_spared(name: str, text: str, shown: str) -> None:
    assert output._narrowed(name, text) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("states", {"succeeded": 18, "failed": 2}, "18 succeeded, 2 failed"),
        ("progress", 0.5, "50 %"),
        ("orgs", {"acme": "admin"}, "acme (admin)"),
        ("scopes", ["read", "submit"], "read, submit"),
    ],
)
def test_a_cell_is_for_people(name: str, value: object, shown: str) -> None:
    assert output._cell(name, value) == shown
