from __future__ import annotations

from fastapi.testclient import TestClient

from tests.gateway import foreign
from tests.gateway.auth import people
from tests.gateway.driving import both_databases, finish

JOB = {"target": {"kind": "host", "host": "127.0.0.1"}}


@both_databases
def test_limits_are_set_seen_and_hold(client: TestClient) -> None:
    assert client.get("/api/v1/quota").json()["jobs_per_hour"] == {"limit": None, "used": 0, "remaining": None}
    changed = client.patch("/api/v1/quota", json={"jobs_per_hour": 1, "targets_per_batch": 2})
    assert (changed.status_code, changed.json()["own"]["jobs_per_hour"]) == (200, 1)
    hosts = [{"kind": "host", "host": f"127.0.0.{each}"} for each in (1, 2, 3)]
    many = client.post("/api/v1/jobs", json={"targets": hosts})
    assert (many.status_code, many.json()["code"]) == (422, "too-many-targets")
    assert client.post("/api/v1/jobs", json=JOB).status_code == 202
    refused = client.post("/api/v1/jobs", json=JOB)
    assert (refused.status_code, refused.json()["code"], refused.json()["retryable"]) == (429, "quota-exceeded", True)
    assert 3500 < int(refused.headers["retry-after"]) <= 3601
    assert client.patch("/api/v1/quota", json={"jobs_per_hour": None}).json()["own"]["jobs_per_hour"] is None
    assert client.post("/api/v1/jobs", json=JOB).status_code == 202
    [line, _] = client.get("/api/v1/audit?action=quota.changed").json()["items"]
    assert line["subject"] == "organisation:local"


@both_databases
def test_a_job_that_waits_for_a_place_says_so(client: TestClient) -> None:
    client.patch("/api/v1/quota", json={"concurrent_jobs": 1})
    first, second = (client.post("/api/v1/jobs", json=JOB).json()["jobs"][0]["id"] for _ in range(2))
    assert client.get(f"/api/v1/jobs/{second}").json()["waiting"]["reason"] == "org_limit"
    told = client.get(f"/api/v1/jobs/{second}/explain").json()
    assert "local has as many jobs at once as it may: 1 of 1 are under way" in told["summary"]
    assert told["fix"] == "vedette api GET quota"
    seen = client.get("/api/v1/quota").json()
    assert (seen["concurrent_jobs"]["remaining"], seen["waiting"]) == (0, 1)
    finish(first)
    assert client.get("/api/v1/quota").json()["concurrent_jobs"]["used"] == 0


def test_an_owner_lowers_limits_and_widens_none(client: TestClient) -> None:
    key = foreign.bearer(foreign.B)
    assert client.patch("/api/v1/quota", json={"jobs_per_hour": 9}, headers=key).status_code == 200
    assert client.patch("/api/v1/quota", json={"jobs_per_hour": 5}, headers=key).status_code == 200
    refused = client.patch("/api/v1/quota", json={"jobs_per_hour": 6}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@both_databases
def test_a_user_and_all_of_their_keys_share_the_limits_of_the_member(client: TestClient) -> None:
    ada = people.logged_in(client, "ada@example.org", role="operator")
    user_id = people.audited(client, "user.created")[0]["subject"].removeprefix("user:")
    keys = [people.bearer(people.key(client, ada, name=name)["secret"]) for name in ("ci", "laptop")]
    assert client.patch(f"/api/v1/quota/members/{user_id}", json={"jobs_per_hour": 2}).status_code == 200
    assert [client.post("/api/v1/jobs", json=JOB, headers=each).status_code for each in (ada, keys[0])] == [202, 202]
    for each in (ada, *keys):
        refused = client.post("/api/v1/jobs", json=JOB, headers=each)
        assert (refused.status_code, refused.json()["code"]) == (429, "quota-exceeded")
    own = people.key(client, {}, name="of the installation")
    assert client.post("/api/v1/jobs", json=JOB, headers=people.bearer(own["secret"])).status_code == 202
    assert client.get("/api/v1/jobs").json()["items"][1]["created_by"] == "key:ci"


def test_a_user_and_all_of_their_keys_share_the_requests_of_a_minute(client: TestClient) -> None:
    ada = people.logged_in(client, "ada@example.org")
    key = people.bearer(people.key(client, ada, role="viewer")["secret"])
    left = [client.get("/api/v1/jobs", headers=each).headers["ratelimit"].split(";")[1] for each in (ada, key, ada)]
    assert [int(each.removeprefix("r=")) for each in left] == list(range(int(left[0][2:]), int(left[0][2:]) - 3, -1))
