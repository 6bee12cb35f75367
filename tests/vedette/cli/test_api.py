from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vedette.lab import Lab, Vedette

pytestmark = pytest.mark.usefixtures("lab")


def test_a_path_is_asked_with_fields_as_query_or_body(vedette: Vedette) -> None:
    ran = vedette("api", "GET", "jobs", "-f", "limit=1")
    assert len(json.loads(ran.out)["items"]) == 1
    assert json.loads(vedette("api", "get", "/api/v1/queues/scan").out)["name"] == "scan"
    assert vedette("api", "GET", "/livez", "-i").out.startswith("HTTP 200\n")
    paused = vedette("api", "POST", "queues/scan.heavy:pause", "-f", "reason=window")
    assert json.loads(paused.out)["paused"]["reason"] == "window"
    assert vedette("api", "POST", "queues/scan.heavy:resume").code == 0


def test_a_body_comes_from_a_file(vedette: Vedette) -> None:
    Path("body.json").write_text('{"reason": "of a file"}')
    ran = vedette("api", "POST", "queues/scan.heavy:pause", "--input", "body.json")
    assert json.loads(ran.out)["paused"]["reason"] == "of a file"
    assert vedette("api", "POST", "queues/scan.heavy:resume").code == 0
    assert vedette("api", "POST", "queues/scan.heavy:pause", "--input", "nothing.json").code == 2
    assert vedette("api", "POST", "queues/scan.heavy:pause", "--input", "body.json", "-f", "a=b").code == 2


def test_all_pages_become_one_array(vedette: Vedette) -> None:
    for _ in range(2):
        assert vedette("api", "POST", "queues/scan.heavy:pause").code == 0
    assert vedette("api", "POST", "queues/scan.heavy:resume").code == 0
    found = json.loads(vedette("api", "GET", "audit", "--paginate", "-f", "limit=1").out)
    assert [entry["seq"] for entry in found] == list(range(len(found), 0, -1))
    assert len(found) >= 3
    assert vedette("api", "GET", "queues/scan", "--paginate").code == 2
    assert vedette("api", "POST", "jobs", "--paginate").code == 2


def test_refusals_show_the_problem_and_have_the_exit_codes_of_other_commands(vedette: Vedette) -> None:
    missing = vedette("api", "GET", "jobs/01928e1c-0000-7000-8000-000000000000")
    assert (missing.code, json.loads(missing.out)["status"]) == (5, 404)
    assert vedette("api", "GET", "jobs", "--token", "wrong", "--url", "http://127.0.0.1:1").code == 8


def test_a_token_is_sent_to_the_gateway_and_nowhere_else(lab: Lab, vedette: Vedette) -> None:
    for path in ("http://example.org/", "//example.org/", "../../livez", "\\\\example.org"):
        assert vedette("api", "GET", path).code == 2, path
    assert vedette("api", "GET", "jobs", "--token", "wrong", "--url", lab.url).code == 4
