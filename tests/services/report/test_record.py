from __future__ import annotations

from services.report import record
from shared.contracts.finding import Assessment, Change
from shared.contracts.job import StageName, StepState, StepView
from tests.services.report.sample import document, job


def test_a_job_is_found_again_by_its_ids() -> None:
    pairs = dict(record.facts(document()).pairs)
    assert pairs["Job"] == "01928e1c-7d3a-7c41-9a55-3f0f6e1b2c4d"
    assert pairs["Trace"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert (pairs["Waited"], pairs["Ran"]) == ("0.1 s", "2.6 s")
    assert pairs["Finished"] == "not yet, when this was written"
    assert "Batch" not in pairs


def test_the_job_compared_with_is_named() -> None:
    assessment = Assessment(score=1, grade="F", change=Change(previous_job_id="before"))
    assert ("Compared with job", "before") in record.facts(document(assessment=assessment)).pairs


def test_the_stages_before_the_report_are_told() -> None:
    steps = record.facts(document()).steps
    assert [(step.stage, step.state) for step in steps] == [("scan", "succeeded"), ("process", "succeeded")]


def test_a_part_is_named_with_its_stage() -> None:
    step = StepView(stage=StageName.REPORT, part="pdf", state=StepState.FAILED, attempt=2)
    (row,) = record.facts(document(job=job(steps=[step]))).steps
    assert (row.stage, row.state, row.attempts) == ("report pdf", "failed", "2")
