"""The log of a job: each batch once, in the order of coming, bounded. The same on both databases."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from shared.contracts.logs import MAX_LINES, LineRecord, LogLevel, LogLine
from shared.contracts.record import RecordBatch
from shared.ids import new_id, now
from shared.store import lines
from shared.store.engine import reading, writing

pytestmark = pytest.mark.usefixtures("database")
JOB = new_id()


def batch(*events: str, job_id: str = JOB, unsaid: int = 0, level: LogLevel = LogLevel.INFO) -> RecordBatch:
    said = [
        LineRecord(at_ns=time.time_ns(), level=level, event=event, stage=event.partition(" ")[0]) for event in events
    ]
    return RecordBatch(id=new_id(), org_id="o", job_id=job_id, service="scan", process="h:1", lines=said, unsaid=unsaid)


def kept(*batches: RecordBatch) -> None:
    with writing() as connection:
        lines.keep(connection, batches)


def told(job_id: str = JOB, **asked: object) -> list[LogLine]:
    with reading() as connection:
        return lines.page(connection, job_id, **{"limit": 10_000, **asked})  # type: ignore[arg-type]


def test_lines_come_in_the_order_in_which_they_came_in_and_a_batch_that_comes_twice_once() -> None:
    first, second = batch("a", "b"), batch("c")
    kept(first)
    kept(second, first)
    kept(batch("of another", job_id=new_id()))
    assert [line.event for line in told()] == ["a", "b", "c"]
    assert [(line.service, line.process) for line in told()] == [("scan", "h:1")] * 3


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_join_without_gap_and_without_repetition_also_while_more_comes(limit: int) -> None:
    kept(batch("0", "1", "2"), batch("3"))
    seen: list[LogLine] = []
    while page := told(after=seen[-1].id if seen else "", limit=limit):
        seen += page
        if len(seen) in (1, 2, 3):
            kept(batch(f"late {len(seen)}"))
    assert [line.event for line in seen][:4] == ["0", "1", "2", "3"]
    assert [line.id for line in seen] == [line.id for line in told()]


def test_they_are_chosen_by_level_and_by_stage() -> None:
    kept(batch("scan info"), batch("scan bad", level=LogLevel.WARNING), batch("notify worse", level=LogLevel.ERROR))
    assert [line.event for line in told(level=LogLevel.WARNING)] == ["scan bad", "notify worse"]
    assert [line.event for line in told(level=LogLevel.ERROR)] == ["notify worse"]
    assert [line.event for line in told(stage="scan")] == ["scan info", "scan bad"]


def test_of_a_job_that_says_too_much_the_middle_is_left_out_and_said_to_be() -> None:
    for number in range(40):
        kept(batch(*(f"{number}.{each}" for each in range(100))))
    found = told()
    said = [line for line in found if line.event != lines.LEFT_OUT]
    assert MAX_LINES - 100 <= len(said) <= MAX_LINES
    assert (said[0].event, said[-1].event) == ("0.0", "39.99")
    assert sum(line.fields["lines"] for line in found if line.event == lines.LEFT_OUT) == 4000 - len(said)
    assert [line.event for line in found[:1400]] == [f"{n}.{each}" for n in range(14) for each in range(100)]


def test_what_a_process_itself_left_out_is_told() -> None:
    kept(batch("a", unsaid=7))
    assert [(line.event, line.fields) for line in told()] == [("a", {}), (lines.LEFT_OUT, {"lines": 7})]
    assert told(after=told()[-1].id) == []


@pytest.mark.parametrize(
    "after", ["x", "..", "zzzz.9", "01a21561-bedf-709f-8e41-def8fa900883.-1", "'; drop table jobs", "\x00"]
)
def test_a_place_that_is_none_breaks_nothing(after: str) -> None:
    kept(batch("a"))
    assert told(after=after.replace("\x00", "0")) in ([], told())


def test_old_ones_are_forgotten() -> None:
    kept(batch("a"))
    with writing() as connection:
        assert lines.forget(connection, now() - timedelta(days=1)) == 0
        assert lines.forget(connection, now() + timedelta(seconds=1)) == 1
    assert told() == []
