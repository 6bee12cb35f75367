"""Jobs in the store: made whole, shown to their organisation alone, found again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from shared.contracts.job import JobState, Priority, Profile, StageName, StepState
from shared.contracts.submission import Options
from shared.ids import now
from shared.store import jobs, outbox, timeline
from shared.store.engine import reading, writing
from tests.shared.store.making import ORG, make, new_job, run_through

OTHER = "other"
OPTIONS = Options(
    profile=Profile.QUICK,
    priority=Priority.HIGH,
    reports=["json"],
    notify=["https://u:hunter2@hooks.example/T0/secret"],
    tags={"k": "é \\u0000 'x'"},
)


def test_a_new_job_waits_with_all_its_steps(database: str) -> None:
    [job_id] = make(new_job(options=OPTIONS, parts={StageName.REPORT: ["pdf", "json"]}, batch_id="b"))
    with reading() as connection:
        view = jobs.view(connection, job_id, ORG)
    assert [(step.stage, step.part, step.state) for step in view.steps] == [
        (StageName.SCAN, "", StepState.PENDING),
        (StageName.PROCESS, "", StepState.PENDING),
        (StageName.REPORT, "", StepState.PENDING),
        (StageName.REPORT, "json", StepState.PENDING),
        (StageName.REPORT, "pdf", StepState.PENDING),
        (StageName.NOTIFY, "", StepState.PENDING),
    ]
    assert [step.ready_at is not None for step in view.steps] == [True, *[False] * 5]
    assert (view.state, view.batch_id, view.tags) == (JobState.QUEUED, "b", OPTIONS.tags)
    assert re.fullmatch("[0-9a-f]{32}", view.trace_id)
    assert (view.profile, view.priority, view.target) == (Profile.QUICK, Priority.HIGH, "127.0.0.1")
    assert (view.failure, view.score, view.total_s, view.waited_s) == (None, None, None, None)


def test_a_view_shows_no_secret_of_a_destination_and_the_request_keeps_it(database: str) -> None:
    [job_id] = make(new_job(options=OPTIONS))
    with reading() as connection:
        assert "hunter2" not in jobs.view(connection, job_id).model_dump_json()
        target, options = jobs.request(connection, job_id)
    assert target == {"kind": "host", "host": "127.0.0.1", "ports": "", "port_groups": []}
    assert options == OPTIONS


def test_times_come_back_in_utc_to_the_microsecond(database: str) -> None:
    deadline_at = datetime.fromisoformat("2031-02-03T04:05:06.789012+02:00")
    [job_id] = make(new_job(deadline_at=deadline_at))
    with reading() as connection:
        view = jobs.view(connection, job_id)
        message, _ = outbox.envelope(connection, job_id)
    assert view.deadline_at == message.deadline_at == deadline_at
    assert view.deadline_at is not None
    assert view.deadline_at.utcoffset() == view.created_at.utcoffset() == timedelta(0)


def test_ids_come_in_the_order_of_the_jobs_and_sort_by_it(database: str) -> None:
    ids = make(*(new_job(f"10.0.0.{n}") for n in range(100)))
    assert ids == sorted(ids)
    with reading() as connection:
        assert [view.target for view in jobs.views(connection, ids)] == [f"10.0.0.{n}" for n in range(100)]
        assert [view.id for view in jobs.views(connection, [*ids[:2], "none"])] == ids[:2]


def test_a_foreign_organisation_sees_nothing(database: str) -> None:
    [job_id] = make()
    with reading() as connection:
        with pytest.raises(jobs.JobNotFound):
            jobs.view(connection, job_id, OTHER)
        assert jobs.views(connection, [job_id], OTHER) == []
        assert jobs.page(connection, OTHER, limit=10) == []
        assert jobs.ids_like(connection, OTHER, job_id) == []


def test_pages_follow_each_other_without_gap_or_overlap(database: str) -> None:
    ids = make(*(new_job(batch_id="b" if n % 2 else None) for n in range(7)))
    make(new_job(org_id=OTHER, batch_id="b"))
    run_through(ids[0])
    with reading() as connection:
        seen: list[str] = []
        while page := jobs.page(connection, ORG, limit=3, before=seen[-1] if seen else ""):
            seen += [view.id for view in page]
        assert seen == ids[::-1]
        assert [view.id for view in jobs.page(connection, ORG, limit=9, q="batch:b")] == ids[5::-2]
        assert [view.id for view in jobs.page(connection, ORG, limit=9, state=JobState.SUCCEEDED)] == [ids[0]]


@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_a_job_is_found_by_either_end_of_its_id_in_any_case(database: str, case: object) -> None:
    ids = make(*(new_job() for _ in range(3)))
    with reading() as connection:
        assert jobs.ids_like(connection, ORG, case(ids[1][-8:])) == [ids[1]]  # type: ignore[operator]  # str.lower or upper
        assert jobs.ids_like(connection, ORG, ids[1]) == [ids[1]]
        assert jobs.ids_like(connection, ORG, case(ids[1][-8:-2])) == [ids[1]]  # type: ignore[operator]  # the same
        assert jobs.ids_like(connection, ORG, ids[1][-9:-3]) == []
        assert jobs.ids_like(connection, ORG, ids[0][:6]) == ids[::-1]
        assert jobs.ids_like(connection, ORG, ids[0][:6], limit=2) == ids[:0:-1]


@pytest.mark.parametrize("piece", ["%", "_", "\\", "'", "\x00", "\ud800", "é", "x" * 100_000])
def test_odd_letters_find_nothing_and_break_nothing(database: str, piece: str) -> None:
    [job_id] = make()
    with reading() as connection:
        assert jobs.ids_like(connection, ORG, piece) == []
        assert jobs.views(connection, [piece], piece) == []
        assert jobs.page(connection, piece, limit=1) == []
        with pytest.raises(jobs.JobNotFound):
            jobs.request(connection, job_id[:-1] + piece)


def test_a_job_that_was_not_published_in_time_is_listed_until_it_is(database: str) -> None:
    ids = make(new_job(), new_job())
    later = now() + timedelta(seconds=1)
    with writing() as connection:
        assert outbox.unpublished(connection, now() - timedelta(hours=1)) == []
        assert outbox.unpublished(connection, later) == ids
        assert outbox.unpublished(connection, later, limit=1) == ids[:1]
        outbox.mark_published(connection, ids[:1])
        assert outbox.unpublished(connection, later) == ids[1:]


def test_times_that_add_up_are_shown_apart(database: str) -> None:
    [job_id] = make()
    run_through(job_id)
    with reading() as connection:
        view = jobs.view(connection, job_id)
    assert view.total_s is not None
    assert view.ran_s is not None
    assert view.waited_s is not None
    assert view.total_s == pytest.approx(view.ran_s + view.waited_s, abs=0.002)


def test_nothing_at_all_can_be_asked_for(database: str) -> None:
    with reading() as connection:
        assert jobs.views(connection, []) == []
        with pytest.raises(jobs.JobNotFound):
            jobs.view(connection, "none")
        with pytest.raises(jobs.JobNotFound):
            outbox.envelope(connection, "none")


def test_what_fails_half_way_leaves_nothing(database: str) -> None:
    with pytest.raises(ZeroDivisionError), writing() as connection:  # noqa: PT012  the block is one transaction
        jobs.create(connection, [new_job()])
        raise ZeroDivisionError
    with reading() as connection:
        assert jobs.page(connection, ORG, limit=1) == []


def test_a_job_begins_its_timeline(database: str) -> None:
    [job_id] = make()
    with reading() as connection:
        assert [event.type for event in timeline.of_job(connection, job_id)] == ["job.created"]
