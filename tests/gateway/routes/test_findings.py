from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from shared.contracts.finding import Assessment, ChangeState, Finding, Severity
from shared.ids import now
from shared.store import findings
from shared.store.engine import writing
from tests.gateway.driving import both_databases, finish

Scan = Callable[..., str]
EVIL = '=HYPERLINK("http://evil","x")'


@pytest.fixture
def scan(make_job: Callable[..., str]) -> Scan:
    """Write a finished scan of a host that found something for each rule; return the job's id."""

    def write(host: str, *rules: str, severity: Severity = Severity.HIGH, title: str = "Bad") -> str:
        job_id = make_job(host, reports=[])
        texts = {"title": title, "subject": "22/tcp", "what": "w", "why": "y", "fix": "f"}
        found = [
            Finding.model_validate(
                {"rule": rule, "severity": severity, "fingerprint": f"f-{rule}", "first_seen_at": now(), **texts}
            )
            for rule in rules
        ]
        with writing() as connection:
            findings.save(connection, job_id, "local", found, Assessment(score=1, grade="F"))
        finish(job_id)
        return job_id

    return write


def listed(client: TestClient, **params: Any) -> list[tuple[str, str]]:
    answer = client.get("/api/v1/findings", params=params)
    assert answer.status_code == 200, answer.text
    return sorted((each["target"], each["rule"]) for each in answer.json()["items"])


def only(client: TestClient, **params: Any) -> Any:
    (found,) = client.get("/api/v1/findings", params=params).json()["items"]
    return found


@both_databases
def test_findings_are_those_of_the_newest_scan_of_each_target(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a", "b")
    scan("10.0.0.1", "b")
    scan("10.0.0.2", "a")
    assert listed(client) == [("10.0.0.1", "b"), ("10.0.0.2", "a")]
    assert len(listed(client, all=True)) == 4


@both_databases
def test_a_query_narrows_them(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a", severity=Severity.CRITICAL)
    scan("10.0.1.1", "b", severity=Severity.LOW)
    for q, found in (
        ("severity:critical", "a"),
        ("-severity:critical", "b"),
        ("rule:b", "b"),
        ("target:10.0.1.0/24", "b"),
        ("kind:host status:open severity:low", "b"),
        ("first_seen:<1h 10.0.0.1", "a"),
    ):
        assert [rule for _, rule in listed(client, q=q)] == [found], q
    assert listed(client, q="status:accepted_risk") == []
    wrong = client.get("/api/v1/findings", params={"q": "rule:a colour:red"}).json()
    assert (wrong["status"], "character 8" in wrong["detail"]) == (422, True)


def test_pages_hold_each_finding_once(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", *"abcde")
    seen, cursor = [], ""
    while cursor is not None:
        answer = client.get("/api/v1/findings", params={"limit": 2, "cursor": cursor}).json()
        seen += [each["rule"] for each in answer["items"]]
        cursor = answer["next"]
    assert sorted(seen) == list("abcde")


@both_databases
def test_a_decision_holds_over_the_next_scan_and_is_audited(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a")
    scan("10.0.0.2", "a")
    first = only(client, q="target:10.0.0.1")
    asked = {"status": "accepted_risk", "note": "behind a VPN"}
    answer = client.post(f"/api/v1/findings/{first['id']}:triage", json=asked)
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted_risk")
    job_id = scan("10.0.0.1", "a")
    again = only(client, q="target:10.0.0.1")
    assert again["id"] != first["id"]
    assert (again["status"], again["triage"]["note"], again["triage"]["changed_by"]) == (*asked.values(), "token")
    (shown,) = client.get(f"/api/v1/jobs/{job_id}/findings").json()["items"]
    assert shown["status"] == "accepted_risk"
    assert listed(client, q="status:open") == [("10.0.0.2", "a")]
    (line,) = client.get("/api/v1/audit?action=finding.triage").json()["items"]
    assert line["subject"] == f"finding:{first['id']}"


@both_databases
def test_a_decision_that_has_ended_is_none(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a")
    found = only(client)
    for until, status in ((now() - timedelta(minutes=1), "open"), (now() + timedelta(hours=1), "acknowledged")):
        asked = {"status": "acknowledged", "until": until.isoformat()}
        answer = client.post(f"/api/v1/findings/{found['id']}:triage", json=asked).json()
        assert (answer["status"], answer["triage"]["status"]) == (status, "acknowledged")


@both_databases
def test_many_are_decided_about_only_with_the_right_number(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a", "b")
    scan("10.0.0.2", "a")
    asked = {"q": "rule:a", "status": "false_positive"}
    dry = client.post("/api/v1/findings:triage", json={**asked, "dry_run": True}).json()
    assert dry == {"total": 2, "dry_run": True}
    for expect in (None, 1):
        wrong = client.post("/api/v1/findings:triage", json={**asked, "expect": expect})
        assert (wrong.status_code, wrong.json()["count"]) == (409, 2)
    assert len(listed(client, q="status:open")) == 3
    assert client.post("/api/v1/findings:triage", json={**asked, "expect": 2}).json()["total"] == 2
    assert listed(client, q="status:open") == [("10.0.0.1", "b")]


def test_ids_that_there_are_not_are_named(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a")
    body = {"ids": [only(client)["id"], "ffffffff"], "status": "acknowledged"}
    answer = client.post("/api/v1/findings:triage", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/ids/1")
    assert len(listed(client, q="status:open")) == 1


def test_no_cell_of_an_export_is_a_formula(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a", title=EVIL)
    answer = client.get("/api/v1/findings/export?format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="findings.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert row["title"] == f"'{EVIL}"


def test_an_export_has_one_line_for_each_finding(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", *"abc")
    lines = client.get("/api/v1/findings/export?q=rule:a,b").text.splitlines()
    assert sorted(json.loads(line)["rule"] for line in lines) == ["a", "b"]
    assert client.get("/api/v1/findings/export?q=colour:red").status_code == 422


def test_sarif_tells_what_is_accepted_as_suppressed(client: TestClient, scan: Scan) -> None:
    scan("10.0.0.1", "a", "b")
    client.post("/api/v1/findings:triage", json={"q": "rule:a", "expect": 1, "status": "accepted_risk", "note": "why"})
    (run,) = client.get("/api/v1/findings/export?format=sarif").json()["runs"]
    found = {each["ruleId"]: each for each in run["results"]}
    assert found["a"]["suppressions"][0]["justification"] == "why"
    assert (found["b"]["suppressions"], found["b"]["level"]) == ([], "error")


def test_what_is_fixed_is_listed_only_when_all_are_asked_for(client: TestClient, scan: Scan) -> None:
    job_id = scan("10.0.0.1")
    gone = Finding(
        rule="a", title="t", severity=Severity.LOW, subject="s", what="w", why="y", fix="f", change=ChangeState.FIXED
    )
    with writing() as connection:
        findings.save(connection, job_id, "local", [gone.model_copy(update={"first_seen_at": now()})], _NOTHING)
    assert listed(client) == []
    assert listed(client, all=True) == [("10.0.0.1", "a")]


_NOTHING = Assessment(score=100, grade="A")
