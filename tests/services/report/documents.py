"""Arbitrary report documents for property tests: any text, any JSON in observations, any counts."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from shared.contracts.finding import (
    Assessment,
    Change,
    ChangeState,
    Confidence,
    Deduction,
    Finding,
    Reference,
    Severity,
)
from shared.contracts.observation import Coverage, Evidence, Gap, GapReason, Observation
from shared.contracts.report import ReportDocument
from tests.services.report.sample import HOSTILE, job

texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
moments = st.datetimes(timezones=st.just(UTC))
points = st.floats(0, 1e6)
whole = st.integers(0, 10**9)
anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["address", "port", "name", "tls", "chain", "accepted", "latency_ms", "is_trusted", ""])
evidence = st.lists(st.builds(Evidence, source=texts, text=texts, truncated=st.booleans()), max_size=2)
findings = st.lists(
    st.builds(
        Finding,
        fingerprint=texts,
        rule=texts,
        title=texts,
        severity=st.sampled_from(Severity),
        confidence=st.sampled_from(Confidence),
        subject=texts,
        what=texts,
        why=texts,
        fix=texts,
        references=st.lists(st.builds(Reference, title=texts, url=texts | texts.map("https://{}".format)), max_size=2),
        evidence=evidence,
        points=points,
        change=st.sampled_from(ChangeState),
        first_seen_at=st.none() | moments,
    ),
    max_size=4,
)
observations = st.lists(
    st.builds(
        Observation,
        type=st.sampled_from(["host", "port", "service", "tls", "http"]) | texts,
        subject=texts,
        data=st.dictionaries(fields | texts, anything, max_size=4),
        evidence=evidence,
        observed_at=moments,
    ),
    max_size=4,
)
coverages = st.builds(
    Coverage,
    asked=whole,
    checked=whole,
    unit=texts,
    gaps=st.lists(
        st.builds(Gap, subject=texts, reason=st.sampled_from(GapReason), count=st.integers(1, 10**9), detail=texts),
        max_size=3,
    ),
)
assessments = st.builds(
    Assessment,
    score=st.integers(0, 100),
    grade=texts | st.sampled_from("ABCDEF-"),
    deductions=st.lists(
        st.builds(
            Deduction, finding=texts, rule=texts, severity=st.sampled_from(Severity), points=st.floats(), reason=texts
        ),
        max_size=3,
    ),
    change=st.builds(Change, previous_job_id=st.none() | texts, previous_score=st.none() | st.integers()),
)
documents = st.builds(
    ReportDocument,
    generated_at=moments,
    generator=texts,
    job=st.builds(
        job, target=texts, kind=texts, request=st.dictionaries(texts, anything, max_size=2), total_s=st.floats()
    ),
    assessment=assessments,
    findings=findings,
    fixed=findings,
    standing=findings,
    coverage=coverages,
    observations=observations,
)
