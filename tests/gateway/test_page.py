"""Pages of lists: each item once, and a cursor only where it was given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient

from tests.gateway.auth import people
from tests.gateway.driving import both_databases

JOBS, DLQ = "/api/v1/jobs", "/api/v1/dlq"


def test_a_page_may_have_another_size_than_the_one_before(client: TestClient, make_job: Callable[..., str]) -> None:
    made = [make_job() for _ in range(4)]
    first = client.get(JOBS, params={"limit": 1}).json()
    rest = client.get(JOBS, params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert rest["next"] is None


def test_a_list_that_did_not_change_keeps_its_tag_though_it_has_a_cursor(
    client: TestClient, bury: Callable[..., str]
) -> None:
    for _ in range(2):
        bury()
    first = client.get(f"{DLQ}?limit=1")
    assert first.json()["next"]
    assert client.get(f"{DLQ}?limit=1", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@both_databases
def test_a_cursor_of_another_list_another_filter_or_nobody_is_400_and_says_what_to_do(
    client: TestClient, make_job: Callable[..., str], bury: Callable[..., str]
) -> None:
    for _ in range(3):
        make_job()
        bury()
    cursor = client.get(f"{JOBS}?limit=1").json()["next"]
    wrong = [
        f"{DLQ}?cursor={cursor}",
        f"/api/v1/audit?cursor={cursor}",
        f"{JOBS}?state=queued&cursor={cursor}",
        f"{JOBS}?cursor={cursor[:-4]}",
        f"{JOBS}?cursor=nonsense",
        f"{JOBS}?cursor={client.get(f'{DLQ}?limit=1').json()['next']}",
    ]
    for path in wrong:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (400, "cursor-refused"), path
        assert "begin again" in answer.json()["cure"]


@both_databases
def test_keys_members_users_and_organisations_are_told_page_by_page(client: TestClient) -> None:
    for name in ("c", "a", "b"):
        people.org(client, name)
        people.user(client, f"{name}@example.org")
        people.key(client, {}, name=name)
    by = {"api-keys": "name", "members": "email", "users": "email", "orgs": "id"}
    told = {path: [one[by[path]] for one in _walked(client, f"/api/v1/{path}")] for path in by}
    assert told["api-keys"] == ["b", "a", "c"]
    assert told["members"] == sorted(told["users"]) == ["a@example.org", "b@example.org", "c@example.org"]
    assert told["users"][0] == "c@example.org"
    assert told["orgs"] == ["a", "b", "c", "local"]


def _walked(client: TestClient, path: str) -> list[dict[str, Any]]:
    page = client.get(path, params={"limit": 1}).json()
    found = list(page["items"])
    while page["next"]:
        page = client.get(path, params={"limit": 1, "cursor": page["next"]}).json()
        assert len(page["items"]) == 1
        found += page["items"]
    return found
