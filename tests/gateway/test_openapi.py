from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway import openapi
from gateway.app import create_app
from gateway.auth import OPEN
from shared import registry

COMMITTED = Path(openapi.__file__).with_name("openapi.json")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi.document(create_app("documentation"))


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, operation) for path, methods in document["paths"].items() for operation in methods.values()]


def test_the_committed_document_is_that_of_the_code(document: dict[str, Any]) -> None:
    message = "run: python -m gateway.openapi > gateway/openapi.json"
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == document, message


def test_it_is_served(client: TestClient, document: dict[str, Any]) -> None:
    assert client.get("/api/v1/openapi.json").json() == document


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))


def test_every_error_is_documented_as_a_problem(document: dict[str, Any]) -> None:
    for path, operation in operations(document):
        if path.startswith("/api/"):
            assert {"401", "500", "503"} <= set(operation["responses"]), path
            is_open = path in OPEN or operation["operationId"] in {"begin_session", "accept_invitation"}
            assert operation.get("security") == (None if is_open else [{"HTTPBearer": []}]), path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    shared = document["components"]["responses"].get(response.get("$ref", "").rpartition("/")[2])
                    assert list((shared or response)["content"]) == ["application/problem+json"], (path, status)


def test_targets_are_the_union_of_all_kinds(document: dict[str, Any]) -> None:
    target = document["components"]["schemas"]["Target"]
    assert set(target["discriminator"]["mapping"]) == set(registry.kinds())
    assert document["openapi"].startswith("3.1")


def test_every_body_refuses_fields_that_it_does_not_know(document: dict[str, Any]) -> None:
    bodies = [operation["requestBody"] for _, operation in operations(document) if "requestBody" in operation]
    refs = {piece.partition('"')[0] for piece in json.dumps(bodies).split('"#/components/schemas/')[1:]}
    schemas = document["components"]["schemas"]
    assert refs
    assert [ref for ref in refs if schemas[ref].get("additionalProperties") is not False] == []


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for piece in json.dumps(document).split('"#/components/')[1:]:
        kind, _, name = piece.partition('"')[0].partition("/")
        assert name in document["components"][kind]


def test_every_header_that_is_described_is_one_of_an_answer(document: dict[str, Any]) -> None:
    pieces = json.dumps(document).split('"#/components/headers/')[1:]
    assert {piece.partition('"')[0] for piece in pieces} == set(document["components"]["headers"])
