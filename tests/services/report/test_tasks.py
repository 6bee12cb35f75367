"""Which reports a job has in the end: the stage inside its layers, on real stores."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.report.tasks import filename, write_all
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName, StepView
from shared.contracts.submission import Options
from shared.dlq import StageFailed
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.store import jobs, reports
from shared.store.engine import reading
from tests.shared.store.making import ORG, make, new_job, run_through

REPORT = StageName.REPORT
pytestmark = pytest.mark.usefixtures("database", "bus_url")


@pytest.mark.parametrize(
    ("target", "name"),
    [("::1", "__1"), ("fe80::1%eth0", "fe80__1-eth0"), ("127.0.0.1", "127.0.0.1"), ("../..", "report")],
)
def test_a_file_is_named_after_its_target(target: str, name: str) -> None:
    assert filename(target, "x" * 28 + "59f4bbb4", "html") == f"{name}-59f4bbb4.html"


@given(st.text(max_size=300))
def test_a_file_name_is_one_plain_part_of_a_path_whatever_the_target(target: str) -> None:
    name = filename(target, "x" * 28 + "59f4bbb4", "html")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*-59f4bbb4\.html", name)
    assert Path(name).name == name
    assert len(name) < 120


def write(*formats: str) -> str:
    """Run the stage for a job that wants `formats`; return the job's id."""
    new = new_job(options=Options(reports=list(formats)), parts={REPORT: list(formats)})
    [job_id] = make(new)
    run_through(job_id, StageName.SCAN, StageName.PROCESS)
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan")
    with around(REPORT, envelope, Delivery("w@h", 0, 30.0)) as step:
        write_all(envelope, step)
    return job_id


def step_of(job_id: str) -> StepView:
    with reading() as connection:
        return next(step for step in jobs.view(connection, job_id).steps if (step.stage, step.part) == (REPORT, ""))


def test_the_summary_names_the_formats_that_were_written() -> None:
    job_id = write("json", "csv")
    assert step_of(job_id).summary == "JSON · CSV"


def test_a_format_that_fails_is_not_in_the_summary_and_takes_no_other_along() -> None:
    job_id = write("odt", "json")
    assert step_of(job_id).summary == "JSON"
    with reading() as connection:
        assert [report.format for report in reports.of_job(connection, job_id)] == ["json"]


def test_a_stage_without_any_report_has_failed() -> None:
    with pytest.raises(StageFailed):
        write("odt")


def test_a_job_that_wants_no_report_gets_none() -> None:
    assert step_of(write()).summary == "no report asked for"
