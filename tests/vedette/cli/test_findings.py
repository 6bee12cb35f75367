"""`vedette findings` against a real gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vedette.lab import Lab, Vedette


@pytest.fixture
def found(lab: Lab, vedette: Vedette, open_redis: int) -> list[Any]:
    """Findings of a finished scan."""
    del lab
    job = vedette("scan", "host", "127.0.0.1", "--ports", str(open_redis), "--report", "none", "-o", "id", "-q")
    assert vedette("jobs", "wait", job.out.strip()).code == 0
    ran = vedette("findings", "list", "-q", "target:127.0.0.1", "-o", "json")
    listed: list[Any] = json.loads(ran.out)
    assert len(listed) > 1, ran.err
    return listed


def test_any_piece_of_an_id_names_a_finding(found: list[Any], vedette: Vedette) -> None:
    identifier = found[0]["id"]
    assert json.loads(vedette("findings", "get", identifier[-12:], "-o", "json").out)["id"] == identifier
    assert "fix  " in vedette("findings", "get", identifier).out
    assert vedette("findings", "get", "00000000").code == 5
    assert vedette("findings", "list", "--limit", "1", "-o", "id").out.count("\n") == 1


def test_findings_are_decided_about_by_pieces_of_their_ids(found: list[Any], vedette: Vedette) -> None:
    pieces = [each["id"][-12:] for each in found[:2]]
    how = ("--status", "acknowledged", "--note", "seen", "--until", "2d")
    assert vedette("findings", "triage", *pieces, *how, "--dry-run").out.startswith("Dry run: 2 findings")
    assert vedette("findings", "triage", *pieces, *how).code == 0
    shown = json.loads(vedette("findings", "get", pieces[1], "-o", "json").out)
    assert (shown["status"], shown["triage"]["note"]) == ("acknowledged", "seen")


def test_those_of_a_query_are_counted_first(found: list[Any], vedette: Vedette) -> None:
    how = ("findings", "triage", "-q", f"target:127.0.0.1 rule:{found[0]['rule']}", "--status", "accepted_risk")
    ran = vedette(*how)
    assert (ran.code, "Add --expect 1" in ran.err) == (2, True)
    assert vedette(*how, "--expect", "9").code == 6
    assert vedette(*how, "--expect", "1").code == 0
    assert vedette("findings", "triage", "-q", " ", "--status", "open").code == 2
    assert vedette("findings", "triage", "--status", "open").code == 2


def test_an_export_is_jsonl_csv_or_sarif(found: list[Any], vedette: Vedette) -> None:
    asked = ("findings", "export", "-q", "target:127.0.0.1")
    assert {json.loads(line)["id"] for line in vedette(*asked).out.splitlines()} == {each["id"] for each in found}
    assert vedette(*asked, "--format", "csv").out.startswith("severity,title,target")
    sarif = json.loads(vedette(*asked, "--format", "sarif").out)
    assert len(sarif["runs"][0]["results"]) == len(found)
    assert vedette("findings", "export", "-q", "colour:red", "--format", "sarif").code == 2
