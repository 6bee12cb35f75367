from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastapi.testclient import TestClient

from shared.contracts.logs import LineRecord, LogLevel
from shared.contracts.record import RecordBatch
from shared.ids import new_id
from shared.store import lines
from shared.store.engine import writing
from tests.gateway.driving import both_databases


def said(job_id: str, *events: str, level: LogLevel = LogLevel.INFO) -> None:
    made = [LineRecord(at_ns=time.time_ns(), level=level, event=event, stage="scan") for event in events]
    batch = RecordBatch(id=new_id(), org_id="local", job_id=job_id, service="scan", process="h:1", lines=made)
    with writing() as connection:
        lines.keep(connection, [batch])


@both_databases
def test_a_log_is_read_to_its_end_and_from_there_on(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    said(job_id, "a", "b", "c")
    url = f"/api/v1/jobs/{job_id}/logs"
    first = client.get(url, params={"limit": 2}).json()
    assert ([line["event"] for line in first["items"]], first["is_over"]) == (["a", "b"], False)
    rest = client.get(url, params={"after": first["after"]}).json()
    assert [line["event"] for line in rest["items"]] == ["c"]
    assert client.get(url, params={"after": rest["after"]}).json() == {
        "items": [],
        "after": rest["after"],
        "is_over": False,
    }


def test_it_is_chosen_from(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    said(job_id, "fine")
    said(job_id, "bad", level=LogLevel.ERROR)
    asked = [
        client.get(f"/api/v1/jobs/{job_id}/logs", params=each).json()["items"]
        for each in ({"level": "warning"}, {"stage": "notify"})
    ]
    assert [[line["event"] for line in found] for found in asked] == [["bad"], []]
    for wrong in ({"level": "loud"}, {"stage": "nope"}, {"limit": 0}, {"after": "x" * 65}):
        assert client.get(f"/api/v1/jobs/{job_id}/logs", params=wrong).status_code == 422


def test_who_prefers_to_wait_is_answered_when_a_line_comes(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    later = threading.Timer(0.3, said, (job_id, "at last"))
    later.start()
    answer = client.get(f"/api/v1/jobs/{job_id}/logs", headers={"Prefer": "wait=30"})
    later.join()
    assert [line["event"] for line in answer.json()["items"]] == ["at last"]
    assert answer.headers["preference-applied"] == "wait=30"


def test_there_is_none_of_a_job_that_is_not_there(client: TestClient) -> None:
    assert client.get(f"/api/v1/jobs/{new_id()}/logs").status_code == 404
