"""Jobs that are taken in: when they begin, by when they must be done, and what is told of them first."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from shared import admission
from shared.contracts.job import JobState, Priority, Profile
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from shared.ids import now
from shared.settings import settings
from shared.store import outbox
from shared.store.engine import reading, writing
from shared.store.tables import jobs
from tests.shared.store.ledgers import SCAN, events, step, told, view
from tests.shared.store.making import ORG

HOUR = timedelta(hours=1)


def admit(**fields: object) -> str:
    options = Options.model_validate(fields)
    with writing() as connection:
        [job_id] = admission.write(connection, [admission.draft(ORG, Target(host="127.0.0.1"), options)])
    return job_id


def seconds_from(start: datetime, end: datetime | None) -> float:
    assert end is not None
    return (end - start).total_seconds()


def make_due(job_id: str) -> list[str]:
    with writing() as connection:
        connection.execute(jobs.update().where(jobs.c.id == job_id).values(due_at=now()))
        return [event.job_id for event in outbox.due(connection)]


def test_a_job_without_a_time_begins_at_once(database: str) -> None:
    job_id = admit()
    job = view(job_id)
    assert (job.state, job.due_at) == (JobState.QUEUED, None)
    assert seconds_from(job.created_at, job.deadline_at) == pytest.approx(settings().job_deadline_s, abs=5)
    assert told(job_id) == ["job.created", "job.queued"]


def test_a_time_that_has_passed_is_now(database: str) -> None:
    job = view(admit(not_before=now() - HOUR))
    assert (job.state, job.due_at) == (JobState.QUEUED, None)


def test_a_job_for_later_waits_unpublished_until_it_is_due(database: str) -> None:
    at = now() + HOUR
    job_id = admit(not_before=at, deadline_s=600)
    job = view(job_id)
    assert (job.state, job.due_at) == (JobState.SCHEDULED, at)
    assert seconds_from(at, job.deadline_at) == 600
    assert told(job_id) == ["job.created", "job.scheduled"]
    assert events(job_id)[-1].data == {"due_at": at.isoformat(), "lane": "scan"}
    with writing() as connection:
        assert outbox.due(connection) == []
        assert outbox.outgoing(connection, [job_id]) == []
        assert outbox.unpublished(connection, now() + 2 * HOUR) == []
    assert make_due(job_id) == [job_id]
    assert (view(job_id).state, told(job_id)[-1]) == (JobState.QUEUED, "job.queued")
    with reading() as connection:
        assert [each.first for each in outbox.outgoing(connection, [job_id])] == [SCAN]
        assert outbox.unpublished(connection, now() + 2 * HOUR) == [job_id]


def test_a_job_is_queued_once_when_it_is_due(database: str) -> None:
    job_id = admit(not_before=now() + HOUR)
    assert (make_due(job_id), make_due(job_id)) == ([job_id], [])
    assert told(job_id).count("job.queued") == 1


def test_the_wait_until_a_job_is_due_is_not_counted(database: str) -> None:
    at = now() + HOUR
    job_id = admit(not_before=at)
    assert step(job_id, SCAN).ready_at == at


def test_nobody_plans_for_longer_than_a_year(database: str) -> None:
    with pytest.raises(admission.TooFarAhead) as refused:
        admit(not_before=now() + timedelta(days=367))
    assert refused.value.pointer == "/not_before"


@pytest.mark.parametrize(
    ("options", "lane"),
    [
        (Options(), "scan"),
        (Options(profile=Profile.QUICK), "scan.realtime"),
        (Options(priority=Priority.URGENT), "scan.realtime"),
        (Options(priority=Priority.LOW), "scan.background"),
        (Options(profile=Profile.COMPREHENSIVE), "scan.heavy"),
    ],
)
def test_the_lane_follows_from_what_a_job_is_and_how_soon_it_is_wanted(options: Options, lane: str) -> None:
    assert admission.lane(options) == lane
