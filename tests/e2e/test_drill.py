"""Drills on a real stack: what is killed comes back, and no job is lost or done twice."""

from __future__ import annotations

import json

import pytest

from tests.e2e.conftest import Home

pytestmark = pytest.mark.e2e
NOTIFYING = {"VEDETTE_NOTIFY_PRIVATE_ADDRESSES": "true", "VEDETTE_WEBHOOK_SECRET": "whsec_" + "A" * 32}


@pytest.mark.parametrize("kind", ["kill-worker", "drop-redis"])
def test_a_part_of_the_stack_is_killed_and_every_job_ends_once(stack: Home, kind: str) -> None:
    victim = "redis" if kind == "drop-redis" else "scan"
    which = ["--worker", "scan"] if kind == "kill-worker" else []
    before = stack.pid(victim)
    done = stack.run("drill", kind, "--jobs", "6", *which, "--yes", "--report", "json", "-q", **NOTIFYING)
    assert done.returncode == 0, done.stdout + done.stderr
    card = json.loads(done.stdout)
    assert (card["submitted"], card["ended"], card["lost"], card["twice"], card["missing"]) == (6, 6, 0, 0, 0)
    assert card["twice_notifications"] == 0
    assert f"{victim} (pid {before})" in card["harm"]
    assert stack.pid(victim) != before
    assert done.stderr == ""


def test_a_tarpit_ends_and_quick_targets_do_not_wait_for_it(stack: Home) -> None:
    done = stack.run("drill", "slow-target", "--jobs", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    assert "tarpit" in done.stdout


def test_nothing_is_killed_that_nobody_agreed_to_or_that_is_not_the_local_stack(stack: Home) -> None:
    before = stack.everybody()
    unasked = stack.run("drill", "kill-worker")
    assert unasked.returncode == 2
    assert "--yes" in unasked.stderr
    for url in ("http://10.0.0.1:8000", "http://127.0.0.1:1"):
        elsewhere = stack.run("drill", "kill-worker", "--yes", "--url", url)
        assert elsewhere.returncode == 2
        assert "local stack alone" in elsewhere.stderr
    assert stack.everybody() == before
