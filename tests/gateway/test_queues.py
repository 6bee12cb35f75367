from __future__ import annotations

import json
from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import text

from control import ingester
from gateway import broker
from shared import codec
from shared.broker import keys, pause, presence, removal
from shared.broker.client import client as redis_client
from shared.broker.presence import WorkerRecord
from shared.contracts.job import StageName
from shared.contracts.lanes import ALL_LANES
from shared.contracts.queues import ActiveTask
from shared.ids import now
from shared.store.engine import writing
from shared.store.ledger import Key, take
from shared.testing import RedisServer


def test_queues_are_listed_with_what_waits_in_them(client: TestClient, make_job: Callable[..., str]) -> None:
    for priority in ("normal", "normal", "high"):
        broker.publish([make_job(priority=priority)])
    found = client.get("/api/v1/queues").json()
    assert [one["name"] for one in found["items"]] == list(ALL_LANES)
    scan = next(one for one in found["items"] if one["name"] == "scan")
    assert (scan["stage"], scan["waiting"], scan["by_priority"]) == ("scan", 3, {"high": 1, "normal": 2})
    assert scan["oldest_age_s"] >= 0
    assert (scan["unacknowledged"], scan["consumers"], scan["paused"]) == (0, 0, None)
    assert client.get("/api/v1/queues/scan").json()["waiting"] == 3


def test_a_queue_is_paused_by_somebody_for_a_reason_and_resumed(client: TestClient) -> None:
    paused = client.post("/api/v1/queues/scan.heavy:pause", json={"reason": "window"}).json()["paused"]
    assert (paused["by"], paused["reason"]) == ("token", "window")
    assert client.get("/api/v1/queues/scan.heavy").json()["paused"] == paused
    assert client.get("/api/v1/queues/scan").json()["paused"] is None
    for _ in range(2):
        assert client.post("/api/v1/queues/scan.heavy:resume").json()["paused"] is None
    lines = client.get("/api/v1/audit?action=queue").json()["items"]
    assert [(line["action"], line["subject"]) for line in lines] == [
        ("queue.resume", "queue:scan.heavy"),
        ("queue.pause", "queue:scan.heavy"),
    ]
    assert lines[1]["reason"] == "window"
    assert len(lines[1]["trace_id"]) == 32


def test_a_pause_that_cannot_be_written_down_is_none(client: TestClient) -> None:
    with writing() as connection:
        connection.execute(text("ALTER TABLE audit RENAME TO gone"))
    assert client.post("/api/v1/queues/scan:pause").status_code == 503
    assert pause.paused(redis_client()) == {}


def test_a_pause_needs_no_body(client: TestClient) -> None:
    assert client.post("/api/v1/queues/scan:pause").json()["paused"]["reason"] == ""


def test_workers_are_listed_and_counted_in_their_queues(client: TestClient) -> None:
    task = ActiveTask(task_id="j.scan", job_id="j", stage="scan", since=now())
    for name, active in (("scan@a", [task]), ("scan@b", [])):
        record = WorkerRecord(
            hostname=name,
            service="scan",
            pid=1,
            queues=["scan", "scan.heavy"],
            concurrency=2,
            active=active,
            started_at=now(),
        )
        presence.write(redis_client(), record)
    workers = client.get("/api/v1/workers").json()["items"]
    assert [(one["hostname"], one["busy"]) for one in workers] == [("scan@a", 1), ("scan@b", 0)]
    assert workers[0]["active"][0]["job_id"] == "j"
    heavy = client.get("/api/v1/queues/scan.heavy").json()
    assert (heavy["consumers"], heavy["busy"], heavy["slots"]) == (2, 1, 4)
    assert client.get("/api/v1/queues/report").json()["consumers"] == 0


def test_a_purge_cancels_the_jobs_and_buries_what_is_of_no_job(
    client: TestClient, make_job: Callable[..., str]
) -> None:
    waiting = [make_job() for _ in range(3)]
    broker.publish(waiting)
    redis_client().lpush("scan", b"nonsense")
    purge = "/api/v1/queues/scan:purge"
    seen = client.post(purge, json={"dry_run": True})
    assert (seen.status_code, seen.json()) == (200, {"queue": "scan", "jobs": 3, "messages": 1, "dry_run": True})
    for expect in ({}, {"expect": 3}):
        refused = client.post(purge, json=expect)
        assert (refused.status_code, refused.json()["code"], refused.json()["count"]) == (409, "more-waiting", 4)
    assert client.get("/api/v1/queues/scan").json()["waiting"] == 4
    done = client.post(purge, json={"expect": 10}).json()
    assert (done["jobs"], done["messages"], done["dry_run"]) == (3, 1, False)
    assert client.get("/api/v1/queues/scan").json()["waiting"] == 0
    assert {client.get(f"/api/v1/jobs/{one}").json()["state"] for one in waiting} == {"cancelled"}
    [(_, fields)] = redis_client().xrange(keys.DEAD_LETTERS)
    assert fields[b"raw"] == b"nonsense"
    [line] = client.get("/api/v1/audit?action=queue.purge").json()["items"]
    assert line["detail"] == {"jobs": 3, "messages": 1}
    begun = client.get("/api/v1/audit?action=queue.purging").json()["items"]
    assert [line["detail"] for line in begun] == [{"expect": 10}, {"expect": 3}, {}]  # two were refused for the number


def test_a_purge_believes_nothing_that_forged_messages_say(client: TestClient, make_job: Callable[..., str]) -> None:
    """They are dead letters of class security, one of each sort, and the job that they name waits on."""
    job_id = make_job()
    broker.publish([job_id])
    [waiting] = removal.peek(redis_client(), "scan", 10)
    sound = json.loads(waiting.raw)
    removal.remove(redis_client(), waiting)
    forged = [
        {**sound, "content-type": "application/json"},
        {**sound, "headers": {**sound["headers"], "eta": "2100-01-01T00:00:00+00:00"}},
        {**sound, "headers": {**sound["headers"], codec.KEY: "gone"}},
        {"headers": {"id": f"{job_id}.scan", "task": "scan.run"}},
    ]
    redis_client().lpush("scan", *map(json.dumps, forged), b"nonsense")
    done = client.post("/api/v1/queues/scan:purge", json={"expect": 5}).json()
    assert (done["jobs"], done["messages"]) == (0, 5)
    assert client.get(f"/api/v1/jobs/{job_id}").json()["state"] == "queued"
    ingester.ingest_once()
    found = client.get("/api/v1/dlq").json()["items"]
    assert {(one["reason"], one["failure_class"], one["queue"]): one["count"] for one in found} == {
        ("unsigned", "security", "scan"): 2,
        ("bad-signature", "security", "scan"): 1,
        ("stale-key", "security", "scan"): 1,
        ("undecodable-envelope", "permanent", "scan"): 1,
    }
    assert {one.get("job_id") for one in found} == {None}
    assert len(client.get("/api/v1/audit?action=security.refused").json()["items"]) == 3


def test_a_purge_leaves_a_job_alone_that_runs_already(client: TestClient, make_job: Callable[..., str]) -> None:
    """A second message of a running scan is idle: it goes, and the scan goes on."""
    job_id = make_job()
    broker.publish([job_id])
    with writing() as connection:
        take(connection, Key(job_id, "local", StageName.SCAN), worker="scan@a")
    seen = client.post("/api/v1/queues/scan:purge", json={"dry_run": True}).json()
    assert (seen["jobs"], seen["messages"]) == (0, 0)
    assert client.post("/api/v1/queues/scan:purge", json={"expect": 5}).status_code == 200
    assert client.get("/api/v1/queues/scan").json()["waiting"] == 0
    assert client.get(f"/api/v1/jobs/{job_id}").json()["state"] == "running"


def test_an_unknown_queue_is_404_and_says_which_there_are(client: TestClient) -> None:
    for answer in (client.get("/api/v1/queues/nope"), client.post("/api/v1/queues/nope:pause")):
        assert (answer.status_code, answer.json()["code"]) == (404, "queue-not-found")
        assert "scan.heavy" in answer.json()["cure"]


def test_without_the_broker_all_of_it_is_503_and_comes_back(client: TestClient, mortal_redis: RedisServer) -> None:
    mortal_redis.stop()
    for answer in (
        client.get("/api/v1/queues"),
        client.post("/api/v1/queues/scan:pause"),
        client.post("/api/v1/queues/scan:resume"),
        client.post("/api/v1/queues/scan:purge", json={"expect": 1}),
        client.get("/api/v1/workers"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "broker-away")
        assert answer.headers["retry-after"] == "5"
    mortal_redis.start()
    assert client.get("/api/v1/queues").status_code == 200
