from __future__ import annotations

import threading

from sqlalchemy import insert, select, update

from control import places
from control.reconciler import publish
from shared import testing
from shared.contracts.limits import Limits
from shared.ids import now
from shared.store import quotas
from shared.store.engine import reading, writing
from shared.store.tables import jobs, organisations
from shared.testing import wait_for
from tests.shared.store.making import ORG, make


def _held() -> list[str]:
    with writing() as connection:
        connection.execute(insert(organisations), {"id": ORG, "name": "Org", "limits": {}, "created_at": now()})
        quotas.change(connection, ORG, Limits(concurrent_jobs=1))
    ids = [make()[0] for _ in range(3)]
    with writing() as connection:
        quotas.queue(connection, [(ORG, job_id) for job_id in ids])
    return ids


def _is_sent(job_id: str) -> bool:
    with reading() as connection:
        return connection.execute(select(jobs.c.published_at).where(jobs.c.id == job_id)).scalar() is not None


def test_a_job_that_was_held_back_is_sent_when_another_ends(server: testing.RedisServer) -> None:
    ids = _held()
    stop = threading.Event()
    looking = threading.Thread(target=places.run, args=(stop,))
    looking.start()
    try:
        with writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == ids[0]).values(state="succeeded", finished_at=now()))
        wait_for(lambda: _is_sent(ids[1]), "the next job is sent", timeout_s=2)
        assert not _is_sent(ids[2])
    finally:
        stop.set()
        looking.join()


def test_the_reconciler_leaves_held_jobs_alone(server: testing.RedisServer) -> None:
    ids = _held()
    assert publish() == 1
    assert [_is_sent(each) for each in ids] == [True, False, False]
