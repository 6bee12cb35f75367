"""Counters of the event log: each event once, whoever counts, whatever is committed late. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from shared.contracts.events import Event, EventType
from shared.contracts.job import StageName
from shared.ids import now
from shared.store import eventlog, rollups, tallies
from shared.store.engine import reading, writing
from shared.store.tables import events
from tests.shared.store.making import make, new_job, run_through

Flat = dict[str, float]


def event(what: EventType, stage: str = "", part: str = "", **data: Any) -> Event:
    return Event(type=what, at=now(), org_id="o", job_id="j", stage=stage, part=part, data=data)


LANES = {"j": "scan.heavy"}


def flat(*told: Event) -> Flat:
    return {
        f"{name}{{{','.join(f'{key}={value}' for key, value in labels)}}}": by
        for (name, labels), by in tallies.count(told, LANES).items()
        if "_bucket" not in name and "_sum" not in name
    }


def kept(name: str) -> Flat:
    with reading() as connection:
        found = rollups.read(connection).get(name, {})
    return {",".join(value for _, value in labels): by for labels, by in found.items()}


def advance() -> int:
    with writing() as connection:
        return rollups.advance(connection)


def test_each_event_of_a_job_is_counted_under_its_names() -> None:
    queued = event(EventType.JOB_QUEUED, lane="scan.realtime")
    assert flat(queued) == {"celery_task_sent{name=scan.run,queue_name=scan.realtime}": 1}
    assert flat(event(EventType.STAGE_STARTED, "scan")) == {
        "celery_task_received{name=scan.run,queue_name=scan.heavy}": 1,
        "celery_task_started{name=scan.run,queue_name=scan.heavy}": 1,
    }
    assert flat(event(EventType.STAGE_RETRYING, "scan", failure_class="temporary")) == {
        "vedette_retries{class=temporary,stage=scan}": 1,
        "celery_task_retried{name=scan.run,queue_name=scan.heavy}": 1,
        "celery_task_sent{name=scan.run,queue_name=scan.heavy}": 1,
    }
    assert flat(event(EventType.STAGE_FAILED, "scan")) == {
        "celery_task_failed{name=scan.run,queue_name=scan.heavy}": 1,
        "celery_task_sent{name=notify.run,queue_name=notify}": 1,
    }
    assert flat(event(EventType.JOB_FINISHED, kind="host", state="failed")) == {
        "vedette_jobs{kind=host,outcome=failed}": 1
    }
    assert flat(event(EventType.STAGE_FINISHED, "notify", "mailto-ab12cd34")) == {
        "vedette_notifications{channel=mail,outcome=sent}": 1
    }
    assert flat(event(EventType.STAGE_FAILED, "notify", "https-ab12cd34")) == {
        "vedette_notifications{channel=webhook,outcome=failed}": 1
    }
    assert (
        flat(event(EventType.STAGE_FINISHED, "report", "html"), event(EventType.STAGE_STARTED, "report", "html")) == {}
    )
    assert flat(event(EventType.STAGE_FINISHED, "scan", is_skipped=True)) == {}


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50))
def test_the_buckets_of_a_histogram_only_grow(values: list[float]) -> None:
    counts = tallies.count((event(EventType.STAGE_FINISHED, "scan", ran_s=value) for value in values), {})
    name = "vedette_stage_duration_seconds"
    bounds = [f"{bound:g}" for bound in tallies.BUCKETS_S] + [tallies.INFINITE]
    found = [counts.get((f"{name}_bucket", (("le", bound), ("stage", "scan"))), 0.0) for bound in bounds]
    assert found == sorted(found)
    assert found[-1] == len(values)
    assert counts[f"{name}_sum", (("stage", "scan"),)] == pytest.approx(sum(values))


def test_a_job_is_counted_once_however_often_one_looks(database: str) -> None:
    for job_id in make(), make():
        run_through(job_id[0])
    assert advance() > 0
    assert [advance(), advance()] == [0, 0]
    assert kept("vedette_jobs") == {"host,succeeded": 2}
    assert kept("celery_task_succeeded") == {f"{stage}.run,{stage}": 2 for stage in StageName}
    assert set(kept("vedette_stage_duration_seconds_sum")) == set(StageName)
    run_through(make()[0])
    advance()
    assert kept("vedette_jobs") == {"host,succeeded": 3}


def test_a_task_is_counted_for_the_lane_of_its_job(database: str) -> None:
    [job_id] = make(new_job(lane="scan.heavy"))
    run_through(job_id)
    advance()
    queues = {StageName.SCAN: "scan.heavy"}
    assert kept("celery_task_started") == {f"{stage}.run,{queues.get(stage, stage)}": 1 for stage in StageName}


def test_many_who_count_at_once_count_once(database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(lambda: [run_through(make()[0]) for _ in range(5)]) for _ in range(2)]
        counting = [pool.submit(lambda: [advance() for _ in range(10)]) for _ in range(2)]
        for each in [*done, *counting]:
            each.result()
    advance()
    assert kept("vedette_jobs") == {"host,succeeded": 10}


def test_what_dies_before_its_commit_has_counted_nothing(database: str) -> None:
    run_through(make()[0])
    with pytest.raises(RuntimeError):
        _advance_and_die()
    assert kept("vedette_jobs") == {}
    advance()
    assert kept("vedette_jobs") == {"host,succeeded": 1}


def _advance_and_die() -> None:
    with writing() as connection:
        rollups.advance(connection)
        raise RuntimeError


def test_a_first_pass_over_very_much_begins_at_its_end(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_through(make()[0])
    monkeypatch.setattr(eventlog, "FAR", 3)
    assert advance() == 0
    run_through(make()[0])
    assert advance() > 0
    assert kept("vedette_jobs") == {"host,succeeded": 1}


def test_a_long_way_behind_is_made_up_for_in_pieces_on_sqlite(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    monkeypatch.setattr(rollups, "MOST", 3)
    [job_id] = make()
    run_through(job_id)
    passes = []
    while seen := advance():
        passes.append(seen)
    with reading() as connection:
        assert sum(passes) == eventlog.here(connection).id
    assert max(passes) == (3 if database.startswith("sqlite") else sum(passes))


@pytest.mark.usefixtures("database")
def test_a_piece_of_which_all_events_were_deleted_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollups, "MOST", 3)
    for _ in range(2):
        run_through(make()[0])
    with writing() as connection:
        middle = eventlog.here(connection).id // 2
        connection.execute(delete(events).where(events.c.id <= middle))
    for _ in range(middle):
        advance()
    assert kept("vedette_jobs") == {"host,succeeded": 1}
