"""The whole: from spans and ledger to what is drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as some

from gateway.traces.source import Source
from gateway.traces.view import trace
from shared.contracts.job import JobState, StepState
from shared.contracts.record import SpanRecord
from shared.contracts.trace import Segment, SpanState
from tests.gateway.traces.making import JOB, TRACE, at, finished, job, retrying, run, span, started, step

SPANS = [
    span("job", 0, 0.1, segment="job"),
    span("wait scan", 0, 10, "job", segment="wait", stage="scan"),
    span("run scan", 9, 91, "job", segment="run", stage="scan", attempt=1),
    *(span("probe", 10 + n, 11 + 2 * n, "run scan", f"p{n}", stage="scan") for n in range(30)),
]
DONE = run(job(95), started(10), finished(90))


def source(*records: SpanRecord, of: Any = DONE, now: float = 1000) -> Source:
    return Source(TRACE, at(now), [of], records, {JOB: "job"})


def test_it_is_a_tree_with_groups_or_every_span() -> None:
    grouped = trace(source(*SPANS))
    assert [each.name for each in grouped.spans] == ["job", "wait scan", "run scan", "probe"]
    group = grouped.spans[-1].group
    assert group is not None
    assert (group.count, group.min_s, group.median_s, group.max_s, group.total_s) == (30, 0.001, 0.0155, 0.03, 0.465)
    flat = trace(source(*SPANS), is_grouped=False)
    assert len(flat.spans) == len(SPANS) == flat.totals.spans == grouped.totals.spans
    assert (grouped.began_at, grouped.ended_at, grouped.duration_s) == (at(0), at(95), 0.095)
    assert not grouped.is_live


def test_the_critical_path_names_rows_that_are_there() -> None:
    for grouped in (True, False):
        made = trace(source(*SPANS), is_grouped=grouped)
        ids = {each.id for each in made.spans}
        assert {each.span_id for each in made.critical_path} <= {each.id for each in made.spans if each.is_critical}
        assert {each.parent_id for each in made.spans} <= {None, *ids}


def test_without_spans_the_ledger_tells_the_steps() -> None:
    made = trace(source())
    assert not made.is_recorded
    assert [(each.name, each.is_from_ledger) for each in made.spans] == [
        *(("job", True), ("wait scan", True), ("run scan", True))
    ]


def test_a_job_that_runs_is_live_until_now() -> None:
    made = trace(source(of=run(job(None, step(StepState.RUNNING)), started(10)), now=500))
    assert (made.is_live, made.ended_at, made.duration_s) == (True, None, 0.5)
    assert [each.state for each in made.spans] == [SpanState.LIVE, SpanState.OK, SpanState.LIVE]


def test_attempts_are_counted_as_the_ledger_counts_them() -> None:
    spans = [*SPANS[:1], span("run scan", 59, 91, "job", segment="run", stage="scan", attempt=1)]
    spans.append(span("wait scan", 40, 59, "job", segment="wait", stage="scan", attempt=1))
    made = trace(source(*spans, of=run(job(95), started(10), started(60, 2), finished(90))))
    runs = [(each.attempt, each.state) for each in made.spans if each.segment is Segment.RUN]
    assert runs == [(1, SpanState.LOST), (2, SpanState.OK)]
    assert [each.attempt for each in made.spans if each.segment is Segment.WAIT] == [1, 2]


def test_a_failed_job_says_why_and_no_secret_is_in_it() -> None:
    failed = {
        "code": "away",
        "failure_class": "temporary",
        "message": "No answer from https://ann:canary@example.org/x?token=canary",
    }
    view = job(95, state=JobState.FAILED, failure=failed)
    wrong = span("run scan", 9, 91, "job", segment="run", stage="scan", token="canary", note="Bearer canary-canary")
    wrong = wrong.model_copy(update={"is_error": True, "error": failed["message"]})
    made = trace(source(*SPANS[:1], wrong, of=run(view, started(10), finished(90))))
    assert made.spans[0].state is SpanState.ERROR
    assert made.spans[0].error is not None
    assert made.spans[0].error.message == "No answer from https://***@example.org/x?token=***"
    assert "canary" not in made.model_dump_json()


def test_a_retry_is_an_attempt_of_its_own_beside_the_first() -> None:
    made = trace(source(*SPANS[:1], of=run(job(95), started(10), retrying(20, 50), started(60, 2), finished(90))))
    assert [each.segment for each in made.spans] == [
        *(Segment.JOB, Segment.WAIT, Segment.RUN, Segment.BACKOFF, Segment.WAIT, Segment.RUN)
    ]
    assert {each.parent_id for each in made.spans[1:]} == {"job"}


TIMES = some.integers(-(2**63), 2**63)
RECORDS = some.builds(
    SpanRecord,
    trace_id=some.just(TRACE),
    span_id=some.sampled_from(["job", "a", "b", "c", "d"]),
    parent_id=some.sampled_from(["", "job", "a", "b", "c", "d", "gone"]),
    name=some.sampled_from(["job", "run scan", "probe"]),
    began_ns=TIMES,
    ended_ns=TIMES,
    attributes=some.fixed_dictionaries(
        {},
        optional={
            "vedette.job.id": some.sampled_from([JOB, "other", ""]),
            "vedette.segment": some.sampled_from(["job", "run", "wait", "nonsense", 7]),
            "vedette.stage": some.sampled_from(["scan", "nonsense", None]),
            "vedette.attempt": some.sampled_from([1, "x", True, None]),
        },
    ),
)


@given(some.lists(RECORDS, max_size=12), some.booleans(), some.booleans())
def test_whatever_was_recorded_is_drawn(records: list[SpanRecord], has_job: bool, is_grouped: bool) -> None:
    """Circles, duplicates, broken clocks, negative times, jobs that are gone."""
    if not records and not has_job:
        return
    made = trace(Source(TRACE, at(1000), [DONE] if has_job else [], records, {JOB: "job"}), is_grouped=is_grouped)
    ids = [each.id for each in made.spans]
    assert len(ids) == len(set(ids))
    assert min(each.start_s for each in made.spans) == 0
    assert all(each.duration_s >= 0 for each in made.spans)
    assert {each.parent_id for each in made.spans} <= {None, *ids}
    assert {each.span_id for each in records} <= set(ids) or is_grouped
