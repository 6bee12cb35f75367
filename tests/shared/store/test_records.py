"""What jobs leave behind: evidence, findings, reports, deliveries, timeline. The same on both databases."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.contracts.events import EventType
from shared.contracts.finding import Assessment, ChangeState, Finding, Severity
from shared.contracts.job import JobState, StageName
from shared.contracts.observation import Coverage, Evidence, Gap, GapReason, Observation
from shared.ids import now
from shared.settings import settings
from shared.store import deliveries, evidence, findings, jobs, reports, timeline
from shared.store.engine import reading, writing
from shared.store.step import Key
from shared.store.timeline import Fact
from tests.shared.store.making import ORG, finish_step, make, new_job, run_through, take_step

AT = datetime(2026, 11, 22, 8, 0, 0, 123456, UTC)


def key_of(job_id: str, run: int) -> Key:
    return Key(job_id, ORG, StageName.NOTIFY, run=run)


def observation(**fields: Any) -> Observation:
    return Observation.model_validate(
        {"type": "port", "subject": "tcp/127.0.0.1:1", "data": {}, "observed_at": AT, **fields}
    )


def finding(rule: str = "host.telnet", severity: Severity = Severity.HIGH, **fields: Any) -> Finding:
    texts = {"title": "Telnet", "subject": "tcp/127.0.0.1:23", "what": "It is open.", "why": "Clear.", "fix": "Close."}
    given = {"rule": rule, "severity": severity, "fingerprint": f"f-{rule}", "first_seen_at": AT, **texts, **fields}
    return Finding.model_validate(given)


def judge(job_id: str, *judged: Finding, score: int = 71, org_id: str = ORG) -> None:
    with writing() as connection:
        assessment = Assessment(score=score, grade="C", severities={"high": len(judged)})
        findings.save(connection, job_id, org_id, judged, assessment)


def test_what_was_seen_comes_back_in_its_order(database: str) -> None:
    [job_id] = make()
    deep = {"list": [1, 2.5, None, True, {"é": "\\u0000 'x'"}], "big": 2**70}
    seen = [observation(subject=f"tcp/h:{n}", data=deep, evidence=[Evidence(source="b", text="é")]) for n in range(50)]
    covered = Coverage(asked=9, checked=8, gaps=[Gap(subject="h", reason=GapReason.FILTERED)])
    for _ in range(2):
        with writing() as connection:
            evidence.save(connection, job_id, ORG, seen, covered)
    with reading() as connection:
        assert evidence.observed(connection, job_id) == seen
        assert evidence.covered(connection, job_id) == covered


def test_odd_bytes_of_a_target_are_kept_as_replacements(database: str) -> None:
    [job_id] = make()
    odd = observation(
        subject="nul \x00 half \ud800",
        data={"banner\x00": ["\x00\x00", "\ud800", "\\u0000"], "nan": math.nan, "inf": [math.inf]},
        evidence=[Evidence(source="banner", text="a\x00b")],
    )
    with writing() as connection:
        evidence.save(connection, job_id, ORG, [odd], Coverage(gaps=[Gap(subject="\x00", reason=GapReason.ERROR)]))
    with reading() as connection:
        [kept] = evidence.observed(connection, job_id)
        assert evidence.covered(connection, job_id).gaps[0].subject == "\ufffd"
    assert kept.subject == "nul \ufffd half \ufffd"
    assert kept.data == {"banner\ufffd": ["\ufffd\ufffd", "\ufffd", "\\u0000"], "nan": None, "inf": [None]}
    assert kept.evidence[0].text == "a\ufffdb"


def test_megabytes_of_observations_are_kept(database: str) -> None:
    [job_id] = make()
    large = [observation(subject=f"s{n}", data={"text": "x" * 1_000_000}) for n in range(5)]
    many = [observation(subject=f"m{n}") for n in range(3000)]
    with writing() as connection:
        evidence.save(connection, job_id, ORG, [*large, *many], Coverage())
    with reading() as connection:
        seen = evidence.observed(connection, job_id)
    assert [one.subject for one in seen] == [f"s{n}" for n in range(5)] + [f"m{n}" for n in range(3000)]
    assert len(seen[4].data["text"]) == 1_000_000


def test_a_job_that_was_never_scanned_has_seen_nothing(database: str) -> None:
    [job_id] = make()
    with reading() as connection:
        assert evidence.observed(connection, job_id) == []
        assert evidence.covered(connection, job_id) == Coverage()
        assert findings.assessment(connection, job_id) is None
        assert reports.document(connection, job_id).assessment.grade == "-"


def test_findings_come_worst_first_and_sum_up_in_the_job(database: str) -> None:
    [job_id] = make()
    judge(job_id, finding("z", Severity.LOW), finding("b"), finding("a"), finding("c", Severity.CRITICAL))
    with reading() as connection:
        assert [each.rule for each in findings.of_job(connection, job_id)] == ["c", "a", "b", "z"]
        view = jobs.view(connection, job_id)
    assert (view.score, view.grade, view.severities) == (71, "C", {"high": 4})


def test_judging_again_replaces_what_was_judged(database: str) -> None:
    [job_id] = make()
    judge(job_id, finding("a"), finding("b"))
    judge(job_id, finding("b"), score=90)
    with reading() as connection:
        assert [each.rule for each in findings.of_job(connection, job_id)] == ["b"]
        assert jobs.view(connection, job_id).score == 90


def test_the_scan_before_is_the_last_judged_one_of_the_same_target_and_organisation(database: str) -> None:
    older, old, failed, foreign, other, current = make(
        *(new_job(), new_job(), new_job(), new_job(org_id="foreign"), new_job("10.0.0.1"), new_job())
    )
    for job_id, score in ((older, 10), (old, 20), (other, 40)):
        judge(job_id, finding("a", first_seen_at=AT.replace(year=2020 + score // 10)), score=score)
        run_through(job_id)
    judge(foreign, finding("a", first_seen_at=AT.replace(year=2001)), org_id="foreign")
    judge(failed, score=30)
    with reading() as connection:
        assert findings.previous(connection, current) == (old, 20)
        assert findings.previous(connection, older) is None
        assert findings.first_seen(connection, current) == {"f-a": AT.replace(year=2021)}


def test_a_report_document_parts_what_is_now_from_what_was(database: str) -> None:
    [job_id] = make()
    states = {"now": ChangeState.NEW, "gone": ChangeState.FIXED, "unchecked": ChangeState.STANDING}
    judge(job_id, *(finding(rule, change=change) for rule, change in states.items()))
    with reading() as connection:
        document = reports.document(connection, job_id)
    assert [[each.rule for each in group] for group in (document.findings, document.fixed, document.standing)] == [
        ["now"],
        ["gone"],
        ["unchecked"],
    ]


def test_a_report_tells_the_stages_before_it_and_their_outcome(database: str) -> None:
    [job_id] = make()
    with reading() as connection:
        assert reports.document(connection, job_id).job == jobs.view(connection, job_id)
    finish_step(take_step(job_id, StageName.SCAN))
    finish_step(take_step(job_id, StageName.PROCESS))
    report = take_step(job_id, StageName.REPORT)
    with reading() as connection:
        job = reports.document(connection, job_id).job
    assert (job.state, job.finished_at) == (JobState.SUCCEEDED, None)
    assert [(step.stage, step.state) for step in job.steps] == [("scan", "succeeded"), ("process", "succeeded")]
    finish_step(report)
    with reading() as connection:
        assert reports.document(connection, job_id).job == jobs.view(connection, job_id)


def test_a_report_is_kept_once_per_format_byte_for_byte(database: str) -> None:
    [job_id] = make()
    every_byte = bytes(range(256)) * 100
    for content in (b"first", every_byte):
        view = reports.describe(job_id, "pdf", "application/pdf", "x-\u00e9.pdf", content)
        with writing() as connection:
            reports.save(connection, ORG, view, content)
    with reading() as connection:
        assert reports.content(connection, job_id, "pdf") == (view, every_byte)
        assert reports.of_job(connection, job_id) == [view]
        with pytest.raises(reports.ReportNotFound):
            reports.content(connection, job_id, "csv\x00")


def test_a_report_has_a_limit(database: str, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_BLOB_LIMIT_BYTES", "10")
    settings.cache_clear()
    assert reports.describe("j", "pdf", "m", "f", b"x" * 10).size_bytes == 10
    with pytest.raises(reports.ReportTooLarge):
        reports.describe("j", "pdf", "m", "f", b"x" * 11)


def test_a_destination_has_one_delivery_per_job_and_run_and_shows_no_secret(database: str) -> None:
    first, second = make(new_job(), new_job())
    url = "https://u:hunter2@hooks.example/T0/secret"
    with writing() as connection:
        begun = deliveries.begin(connection, key_of(first, 1), "https", url)
        assert deliveries.begin(connection, key_of(first, 1), "https", url) == begun
        assert deliveries.begin(connection, key_of(second, 1), "https", url).id != begun.id
        assert deliveries.begin(connection, key_of(first, 2), "https", url).id != begun.id
        assert deliveries.begin(connection, key_of(first, 1), "https", f"{url}2").part != begun.part
        deliveries.end(connection, begun.id, "sent", "204 \x00" + "x" * 1000)
    with reading() as connection:
        sent, again, other = deliveries.of_job(connection, first)
    assert (sent.id, sent.state, len(sent.answer), sent.run) == (begun.id, "sent", 500, 1)
    assert (again.part, again.state, again.run, other.state) == (sent.part, "pending", 2, "pending")
    assert "hunter2" not in repr(sent)


def test_the_timeline_is_read_from_any_place_in_order(database: str) -> None:
    [job_id] = make()
    odd = "\x00\ud800"
    facts = [Fact(ORG, job_id, EventType.STAGE_FINISHED, "scan", data={"n": n, "text": odd}) for n in range(20)]
    with writing() as connection:
        added = timeline.add(connection, facts[:10]) + timeline.add(connection, facts[10:12])
        added += timeline.add(connection, facts[12:])
        assert timeline.add(connection, []) == []
    with reading() as connection:
        stored = timeline.of_job(connection, job_id)[1:]
        assert [event.data["n"] for event in stored] == list(range(20))
        assert stored == added
        assert timeline.of_job(connection, job_id, after=stored[4].id, limit=3) == stored[5:8]
        assert timeline.of_job(connection, "none") == []
    assert stored[0].data["text"] == "\ufffd\ufffd"
    assert stored[0].at.utcoffset() == now().utcoffset()
    assert StageName(stored[0].stage) is StageName.SCAN
