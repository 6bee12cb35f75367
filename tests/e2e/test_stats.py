"""`vedette stats` counts what a real stack did."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.conftest import Home

pytestmark = pytest.mark.e2e


def figures(stack: Home) -> dict[str, Any]:
    told = stack.run("stats", "--since", "1h", "-o", "json")
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stdout))


def runs(found: dict[str, Any]) -> dict[str, int]:
    return {stage["stage"]: stage["runs"] for stage in found["stages"]}


def test_a_scan_more_is_counted_in_every_stage_and_shown(stack: Home, greeter: int) -> None:
    before = figures(stack)
    scan = stack.run("scan", "host", "127.0.0.1", "--ports", str(greeter), "--profile", "quick", "--report", "json")
    assert scan.returncode == 0, scan.stderr
    after = figures(stack)
    assert after["overview"]["finished"] == before["overview"]["finished"] + 1
    assert sum(sum(each["states"].values()) for each in after["series"]) == after["overview"]["finished"]
    assert runs(after) == {stage: runs(before).get(stage, 0) + 1 for stage in ("scan", "process", "report", "notify")}
    assert all(0 < stage["ran"]["p95_s"] < 60 and stage["waited"]["p95_s"] >= 0 for stage in after["stages"])
    screen = stack.run("stats", "--since", "1h", "--no-color")
    assert screen.returncode == 0, screen.stderr
    for said in (f"{after['overview']['finished']} job", "succeeded", "wait p95", "host  quick", "now"):
        assert said in screen.stdout
    assert max(map(len, screen.stdout.splitlines())) <= 80
