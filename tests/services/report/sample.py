"""Report documents for tests: an empty host, a typical one, a huge one, a hostile one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from shared.contracts.finding import Assessment, Change, Deduction, Finding, Reference, Severity
from shared.contracts.job import JobState, JobView, Priority, Profile, StageName, StepState, StepView
from shared.contracts.observation import Coverage, Evidence, Gap, GapReason, Observation
from shared.contracts.report import ReportDocument

NOW = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{7*7}} {% raw %} ${7*7} #{7*7}",
    '#import "x": * #panic("pwned") $x^2$ `raw` *bold* @ref <label>',
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m \x9b31m \x07",
    "abc\u202eexe.fdp\u202c \u2066isolated\u2069",
    "nul\x00byte \x85 \u2028 \ufeff",
    "W" * 3000,
    "👩‍👩‍👧 漢字 עברית العربية ไทย é" + "\u0301" * 50,
    "]]> --> */ </style></title></textarea>",
    "javascript:alert(1)",
)


def document(**changes: Any) -> ReportDocument:
    """Return a report on a host that was checked whole, without a finding, with `changes` to its fields."""
    fields: dict[str, Any] = {
        "generated_at": NOW,
        "generator": "vedette 0.1.0",
        "job": job(),
        "assessment": Assessment(score=100, grade="A"),
        "findings": [],
        "coverage": Coverage(asked=214, checked=214),
        "observations": [],
    }
    return ReportDocument(**fields | changes)


def job(**changes: Any) -> JobView:
    fields: dict[str, Any] = {
        "id": "01928e1c-7d3a-7c41-9a55-3f0f6e1b2c4d",
        "org_id": "01928e00-0000-7000-8000-000000000001",
        "kind": "host",
        "target": "db.example.org",
        "request": {"kind": "host", "host": "db.example.org", "ports": "", "port_groups": []},
        "profile": Profile.STANDARD,
        "priority": Priority.NORMAL,
        "lane": "scan",
        "state": JobState.SUCCEEDED,
        "tags": {"team": "storage"},
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "created_at": NOW - timedelta(seconds=4),
        "started_at": NOW - timedelta(seconds=3.9),
        "waited_s": 0.1,
        "ran_s": 2.6,
        "steps": steps(),
    }
    return JobView(**fields | changes)


def steps() -> list[StepView]:
    done = {"state": StepState.SUCCEEDED, "attempt": 1, "started_at": NOW, "finished_at": NOW}
    return [
        StepView(stage=StageName.SCAN, summary="214 ports · 6 open", waited_s=0.1, ran_s=2.4, **done),
        StepView(stage=StageName.PROCESS, summary="14 findings", waited_s=0.02, ran_s=0.2, **done),
    ]


def finding(severity: Severity = Severity.HIGH, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "fingerprint": "f0",
        "rule": "redis.no-auth",
        "title": "Redis answers without a password",
        "severity": severity,
        "subject": "tcp/192.0.2.10:6379",
        "what": "The server executed INFO for a client that had not authenticated.",
        "why": "Anyone who reaches the port reads and changes all data.",
        "fix": "Set requirepass or ACL users, and bind to the interface that needs it.",
        "points": 25.0,
    }
    return Finding(**fields | changes)


def empty() -> ReportDocument:
    """A host that answered nothing at all: every probe was dropped."""
    gaps = [Gap(subject="192.0.2.10", reason=GapReason.FILTERED, count=214, detail="no answer to SYN, twice")]
    return document(coverage=Coverage(asked=214, checked=0, gaps=gaps))


def typical() -> ReportDocument:
    """14 findings on six open ports, the second scan of this target, 37 ports unanswered. In `typical.json`."""
    return ReportDocument.model_validate_json(Path(__file__).with_name("typical.json").read_bytes())


def huge(findings: int = 2000, observations: int = 1000) -> ReportDocument:
    """Every limit of a real scan at once: many addresses, many findings, full banners."""
    many = [
        finding(
            list(Severity)[number * 5 // findings],
            fingerprint=f"f{number}",
            subject=f"tcp/10.0.{number // 250}.{number % 250}:6379",
            title=f"Redis {number} answers without a password",
            points=0.25 if number < 400 else 0.0,
            evidence=[Evidence(source="INFO", text=f"# Server\nredis_version:6.0.{number}\n" * 8)],
        )
        for number in range(findings)
    ]
    seen = [
        Observation(
            type="service",
            subject=f"tcp/10.0.{number // 250}.{number % 250}:6379",
            data={"address": f"10.0.{number // 250}.{number % 250}", "port": 6379, "name": "redis", "version": "6.0"},
            evidence=[Evidence(source="banner", text="redis_version:6.0.16 build:abcdef " * 40, truncated=True)],
            observed_at=NOW,
        )
        for number in range(observations)
    ]
    return document(assessment=_assessment(many), findings=many, observations=seen)


def hostile() -> ReportDocument:
    """Every text that the target or a user supplies tries to break out of its place."""
    findings = [
        finding(
            title=text,
            subject=text,
            what=text,
            why=text,
            fix=text,
            rule=text,
            fingerprint=text,
            evidence=[Evidence(source=text, text=text), Evidence(source="join", text="\n".join(HOSTILE)[:4096])],
            references=[Reference(title=text, url=text), Reference(title=text, url="https://example.org/?q=<\"'>")],
        )
        for text in HOSTILE
    ]
    seen = [
        Observation(
            type=kind,
            subject=text,
            data={text: text, "title": text, "details": {"x": [text, None, 1.5]}, "chain": [{"subject": text}]},
            evidence=[Evidence(source=text, text=text)],
            observed_at=NOW,
        )
        for text in HOSTILE
        for kind in ("host", "port", "service", "tls", "http", text)
    ]
    gaps = [Gap(subject=text, reason=GapReason.ERROR, detail=text) for text in HOSTILE]
    return document(
        findings=findings,
        fixed=findings[:2],
        observations=seen,
        coverage=Coverage(asked=10, checked=0, unit=HOSTILE[0], gaps=gaps),
        assessment=Assessment(score=0, grade=HOSTILE[0], deductions=[_deduction(each) for each in findings]),
        job=job(target=" ".join(HOSTILE), tags={text[:30]: text for text in HOSTILE}, kind=HOSTILE[0]),
        generator=HOSTILE[0],
    )


def samples() -> dict[str, ReportDocument]:
    return {"clean": document(), "empty": empty(), "typical": typical(), "hostile": hostile()}


def _assessment(findings: list[Finding]) -> Assessment:
    deductions = [_deduction(each) for each in findings]
    score = max(0, round(100 - sum(each.points for each in deductions)))
    severities = {severity.value: sum(each.severity is severity for each in findings) for severity in Severity}
    change = Change(new=[each.fingerprint for each in findings])
    return Assessment(score=score, grade="F", deductions=deductions, severities=severities, change=change)


def _deduction(each: Finding) -> Deduction:
    return Deduction(finding=each.fingerprint, rule=each.rule, severity=each.severity, points=each.points)
