from __future__ import annotations

from fastapi.testclient import TestClient

from shared.contracts.operation import OperationKind
from shared.store import operations
from shared.store.engine import writing
from tests.gateway.driving import both_databases


def start(org_id: str = "local") -> str:
    with writing() as connection:
        return operations.create(connection, org_id, OperationKind.REPLAY, {"rate": 2.0}, total=3, by="token").id


@both_databases
def test_operations_are_listed_newest_first_in_pages(client: TestClient) -> None:
    made = [start() for _ in range(3)]
    first = client.get("/api/v1/operations?limit=2").json()
    assert [one["id"] for one in first["items"]] == made[:0:-1]
    rest = client.get("/api/v1/operations", params={"cursor": first["next"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (made[:1], None)


@both_databases
def test_an_operation_is_paused_resumed_and_stopped(client: TestClient) -> None:
    made = start()
    for verb, state in (("pause", "paused"), ("pause", "paused"), ("resume", "pending"), ("stop", "stopped")):
        answer = client.post(f"/api/v1/operations/{made[-8:]}:{verb}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert client.get(f"/api/v1/operations/{made}").json()["note"] == "Stopped by token."
    for verb in ("pause", "resume", "stop"):
        answer = client.post(f"/api/v1/operations/{made}:{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "operation-over")
    lines = client.get("/api/v1/audit?action=operation").json()["items"]
    assert [line["action"] for line in lines] == [f"operation.{verb}" for verb in ("stop", "resume", "pause", "pause")]


def test_an_unknown_operation_and_that_of_another_organisation_are_not_there(client: TestClient) -> None:
    for piece in (start("another"), "ffffffff", "x"):
        for answer in (client.get(f"/api/v1/operations/{piece}"), client.post(f"/api/v1/operations/{piece}:stop")):
            assert (answer.status_code, answer.json()["code"]) == (404, "operation-not-found")


def test_a_piece_that_several_operations_have_is_409(client: TestClient) -> None:
    made = [start() for _ in range(2)]
    answer = client.get(f"/api/v1/operations/{made[0][:4]}")
    assert (answer.status_code, answer.json()["code"]) == (409, "operation-ambiguous")
    assert answer.json()["candidates"] == made[::-1]
