from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway import broker
from shared import bus
from shared.broker import client as brokers
from shared.contracts.finding import ChangeState, Finding, Severity
from shared.contracts.job import StageName
from shared.contracts.observation import Coverage, Gap, GapReason
from shared.ids import now
from shared.store import evidence, findings, outbox, plugins
from shared.store.engine import reading, writing
from shared.testing import RedisServer
from tests.broker import waiting as messages
from tests.gateway.driving import Served, both_databases, finish, run_stage

MIB = 1 << 20
HOST = {"kind": "host", "host": "127.0.0.1"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def submit(client: TestClient, body: dict[str, Any], **headers: str) -> Any:
    return client.post("/api/v1/jobs", json=body, headers=headers)


def waiting(queue: str) -> int:
    """Return how many messages wait in a queue of the broker, whatever their priority."""
    with broker.app().connection_for_read() as connection:
        channel: Any = connection.default_channel
        return int(channel.queue_declare(queue, passive=True).message_count)


@both_databases
def test_a_job_is_written_published_and_told(client: TestClient) -> None:
    answer = submit(client, {"target": HOST, "reports": ["pdf", "json", "pdf"], "tags": {"env": "test"}})
    assert answer.status_code == 202
    (job,) = answer.json()["jobs"]
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["batch_id"] is None
    assert (job["state"], job["lane"], job["tags"]) == ("queued", "scan", {"env": "test"})
    assert [s["part"] for s in job["steps"] if s["stage"] == "report"] == ["", "json", "pdf"]
    shown = client.get(answer.headers["location"]).json()
    assert shown.pop("waiting")["reason"] == "no_consumer"
    assert shown == {name: value for name, value in job.items() if name != "waiting"}
    assert waiting("scan") == 1
    with reading() as connection:
        assert outbox.unpublished(connection, before=now()) == []
    stream: Any = bus.client().xrange(bus.STREAM)
    told = [bus.opened(json.loads(json.loads(entry[b"__data__"])["data"])).type for _, entry in stream]
    assert told == ["job.created", "job.queued"]
    assert [e["type"] for e in client.get(f"/api/v1/jobs/{job['id']}/timeline").json()["items"]] == [
        "job.created",
        "job.queued",
    ]


@pytest.mark.parametrize(
    ("options", "lane"),
    [
        ({"priority": "urgent"}, "scan.realtime"),
        ({"profile": "comprehensive"}, "scan.heavy"),
        ({"priority": "low"}, "scan.background"),
    ],
)
def test_the_options_choose_the_lane(client: TestClient, options: dict[str, str], lane: str) -> None:
    assert submit(client, {"target": HOST, **options}).json()["jobs"][0]["lane"] == lane
    assert waiting(lane) == 1


def test_a_job_for_later_is_written_and_not_published(client: TestClient) -> None:
    at = (now() + timedelta(hours=1)).isoformat()
    (job,) = submit(client, {"target": HOST, "not_before": at, "deadline_s": 600}).json()["jobs"]
    assert job["state"] == "scheduled"
    begin, deadline = (datetime.fromisoformat(job[name]) for name in ("due_at", "deadline_at"))
    assert (begin, deadline - begin) == (datetime.fromisoformat(at), timedelta(seconds=600))
    assert messages(brokers.client()) == 0


def test_a_time_that_nobody_plans_for_is_refused_by_name(client: TestClient) -> None:
    answer = submit(client, {"target": HOST, "not_before": "2999-01-01T00:00:00Z"})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["/not_before"])


def test_one_job_continues_the_trace_of_its_request(client: TestClient) -> None:
    answer = submit(client, {"target": HOST}, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert answer.json()["jobs"][0]["trace_id"] == TRACE


@both_databases
def test_a_batch_is_one_job_per_host_each_with_a_trace_of_its_own(client: TestClient) -> None:
    body = {"targets": [{"kind": "host", "host": "10.0.0.0/29"}, HOST]}
    answer = submit(client, body, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    made = answer.json()["jobs"]
    assert [job["target"] for job in made] == [*(f"10.0.0.{i}" for i in range(1, 7)), "127.0.0.1"]
    batch_id = answer.json()["batch_id"]
    assert {job["batch_id"] for job in made} == {batch_id}
    assert answer.headers["location"] == f"/api/v1/jobs?batch_id={batch_id}"
    assert len(client.get(answer.headers["location"]).json()["items"]) == 7
    traces = {job["trace_id"] for job in made}
    assert len(traces) == 7
    assert TRACE not in traces


def test_a_large_batch_is_published_to_its_end(client: TestClient) -> None:
    answer = submit(client, {"target": {"kind": "host", "host": "10.0.0.0/25"}})
    assert len(answer.json()["jobs"]) == waiting("scan") == 126


def test_without_a_broker_a_job_is_taken_in_within_a_second(client: TestClient, mortal_redis: RedisServer) -> None:
    submit(client, {"target": HOST})
    mortal_redis.stop()
    started = time.monotonic()
    answer = submit(client, {"target": HOST})
    took_s = time.monotonic() - started
    assert answer.status_code == 202
    assert took_s < 3, "1 s on a machine that does nothing else"
    with reading() as connection:
        assert outbox.unpublished(connection, before=now()) == [answer.json()["jobs"][0]["id"]]
    mortal_redis.start()
    assert submit(client, {"target": HOST}).status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"target": HOST, "targets": [HOST]}, ""),
        ({"targets": []}, "/targets"),
        ({"target": {"host": "x"}}, "/target/kind"),
        ({"target": {"kind": "submarine"}}, "/target/kind"),
        ({"target": {"kind": "host", "host": "127.0.0.1", "port": 1}}, "/target/port"),
        ({"targets": [HOST, {"kind": "host", "host": "10.0.0.256"}]}, "/targets/1"),
        ({"target": HOST, "reports": ["pdf", "odt"]}, "/reports/1"),
        ({"target": HOST, "notify": ["gopher://x/y"]}, "/notify/0"),
        ({"target": HOST, "profile": "thorough"}, "/profile"),
        ({"target": {"kind": "host", "host": "127.0.0.1", "ports": "1," * 5000 + "1"}}, "/target"),
    ],
)
def test_what_is_wrong_is_pointed_at_and_nothing_is_written(
    client: TestClient, body: dict[str, Any], pointer: str
) -> None:
    answer = submit(client, body)
    assert answer.status_code == 422
    assert [error["pointer"].startswith(pointer) for error in answer.json()["errors"]] == [True]
    assert client.get("/api/v1/jobs").json()["items"] == []


def test_a_refused_address_is_pointed_at_and_nothing_is_written(client: TestClient) -> None:
    bad = {"kind": "host", "host": "169.254.169.254"}
    answer = submit(client, {"targets": [HOST, bad, HOST]})
    assert (answer.status_code, answer.json()["code"]) == (403, "target-refused")
    assert "169.254.169.254 is link-local" in answer.json()["detail"]
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/targets/1"]
    single = submit(client, {"target": bad})
    assert (single.status_code, [e["pointer"] for e in single.json()["errors"]]) == (403, ["/target"])
    assert client.get("/api/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "host", "host": "a" * MIB},
        {"kind": "host", "host": "10.0.0.1" + "," * MIB},
        {"kind": "host", "host": "127.0.0.1", "ports": "1," * (MIB // 2) + "1"},
        {"kind": "host", "host": "127.0.0.1", "port_groups": ["critical"] * (MIB // 12)},
        {"kind": "host", "host": "127.0.0.1", "x" * MIB: 1},
        {"kind": "x" * MIB},
        "x" * MIB,
        [[]] * (MIB // 4),
    ],
    ids=["host", "commas", "ports", "groups", "field", "kind", "text", "lists"],
)
def test_a_target_of_a_megabyte_is_refused_in_few_words_and_nothing_is_written(served: Served, target: object) -> None:
    answer = served.http.post("/api/v1/jobs", json={"target": target})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"].startswith("/target") for error in answer.json()["errors"]] == [True]
    assert len(answer.content) < 2000
    assert served.http.get("/api/v1/jobs").json()["items"] == []


def test_an_unknown_format_names_those_there_are(client: TestClient) -> None:
    assert "html, json, pdf" in submit(client, {"target": HOST, "reports": ["odt"]}).json()["detail"]


def test_a_refused_destination_is_shown_without_its_secrets(client: TestClient) -> None:
    answer = submit(client, {"target": HOST, "notify": ["gopher://user:hunter2@x.example/secret"]})
    assert "x.example" in answer.text
    assert "hunter2" not in answer.text
    assert "secret" not in answer.text


def test_a_submission_that_stands_for_too_many_jobs_is_refused(client: TestClient) -> None:
    networks = [{"kind": "host", "host": f"10.{i}.0.0/20"} for i in range(2)]
    answer = submit(client, {"targets": networks})
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-jobs")
    assert "4096" in answer.json()["detail"]


def test_a_name_without_an_address_is_refused_or_not_known_yet(client: TestClient) -> None:
    answer = submit(client, {"target": {"kind": "host", "host": "no-such-host.invalid"}})
    assert answer.status_code in {422, 503}  # 503: this machine has no resolver that answers
    assert client.get("/api/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(("folder", "code"), [("formats", "no-report-worker"), ("channels", "no-notify-worker")])
def test_before_a_worker_has_announced_its_plugins_it_is_503(client: TestClient, folder: str, code: str) -> None:
    with writing() as connection:
        plugins.announce(connection, folder, [])
    answer = submit(client, {"target": HOST, "notify": ["https://x.example/"]})
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, code, True)
    assert submit(client, {"target": HOST, "reports": []}).status_code == 202


@both_databases
def test_jobs_are_listed_newest_first_in_pages(client: TestClient, make_job: Callable[..., str]) -> None:
    ids = [make_job() for _ in range(5)][::-1]
    seen, cursor = [], ""
    for _ in range(3):
        answer = client.get("/api/v1/jobs", params={"limit": 2, "cursor": cursor}).json()
        seen += [job["id"] for job in answer["items"]]
        cursor = answer["next"]
    assert seen == ids
    assert cursor is None


@both_databases
def test_jobs_are_listed_by_state(client: TestClient, make_job: Callable[..., str]) -> None:
    done, open_job = make_job(), make_job()
    finish(done)
    by_state = {s: client.get("/api/v1/jobs", params={"state": s}).json()["items"] for s in ("succeeded", "queued")}
    assert [[job["id"] for job in found] for found in by_state.values()] == [[done], [open_job]]


@both_databases
def test_findings_and_coverage_are_those_that_were_kept(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    covered = Coverage(asked=10, checked=9, gaps=[Gap(subject="host", reason=GapReason.TIMEOUT)])
    judged = [finding("a", Severity.LOW), finding("b", Severity.HIGH), finding("c", Severity.LOW, ChangeState.FIXED)]
    with writing() as connection:
        evidence.save(connection, job_id, "local", [], covered)
        _save(connection, job_id, judged)
    found = client.get(f"/api/v1/jobs/{job_id}/findings").json()["items"]
    assert [(f["rule"], f["change"]) for f in found] == [("b", "new"), ("a", "new"), ("c", "fixed")]
    high = client.get(f"/api/v1/jobs/{job_id}/findings?severity=high&severity=critical").json()["items"]
    assert [f["rule"] for f in high] == ["b"]
    assert client.get(f"/api/v1/jobs/{job_id}/coverage").json() == covered.model_dump(mode="json")


def test_a_client_may_prefer_to_wait(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    started = time.monotonic()
    assert client.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": "respond-async, wait=1"}).json()["state"] == "queued"
    assert 0.9 < time.monotonic() - started < 10
    finish(job_id)
    answer = client.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": "wait=60"})
    assert answer.json()["state"] == "succeeded"


def test_a_step_shows_how_far_it_is(client: TestClient, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    run_stage(job_id, StageName.SCAN)
    steps = client.get(f"/api/v1/jobs/{job_id}").json()["steps"]
    assert [(s["stage"], s["state"]) for s in steps if not s["part"]][:2] == [
        ("scan", "succeeded"),
        ("process", "pending"),
    ]


def finding(rule: str, severity: Severity, change: ChangeState = ChangeState.NEW) -> Finding:
    return Finding(
        fingerprint=f"f-{rule}",
        rule=rule,
        title=rule,
        severity=severity,
        subject="host",
        what="w",
        why="y",
        fix="f",
        change=change,
        first_seen_at=now(),
    )


def _save(connection: Any, job_id: str, judged: list[Finding]) -> None:
    from shared.contracts.finding import Assessment

    findings.save(connection, job_id, "local", judged, Assessment(score=80, grade="B"))


@both_databases
def test_jobs_are_found_by_a_query_and_say_what_they_wait_for(client: TestClient) -> None:
    wanted = submit(client, {"target": {"kind": "host", "host": "127.0.0.7"}, "priority": "low"}).json()["jobs"][0]
    submit(client, {"target": HOST})
    [found] = client.get("/api/v1/jobs", params={"q": "queue:scan.background target:127.0.0.0/29"}).json()["items"]
    assert found["id"] == wanted["id"]
    assert found["waiting"]["why"] == "no worker consumes scan.background"
    said = client.get(f"/api/v1/jobs/{wanted['id']}/explain").json()
    assert said["fix"] == "celery -A services.scan worker --queues scan.background"
    assert said["summary"].endswith("because no worker consumes scan.background")


def test_a_query_that_cannot_be_read_is_pointed_at(client: TestClient) -> None:
    answer = client.get("/api/v1/jobs", params={"q": "colour:red"})
    assert (answer.status_code, answer.json()["code"]) == (422, "query-wrong")
    assert "character 1" in answer.json()["detail"]
    assert "state" in answer.json()["cure"]


def test_who_submitted_what_is_written_down(client: TestClient) -> None:
    body = {"targets": [{"kind": "host", "host": "127.0.0.1-8"}], "reports": []}
    batch_id = client.post("/api/v1/jobs", json=body).json()["batch_id"]
    (line,) = client.get("/api/v1/audit", params={"action": "job.submitted"}).json()["items"]
    assert (line["actor"], line["subject"], line["detail"]["jobs"]) == ("token", f"batch:{batch_id}", 8)
    assert line["detail"]["targets"] == [f"127.0.0.{number}" for number in range(1, 6)]
