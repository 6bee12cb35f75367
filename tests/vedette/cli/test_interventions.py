"""`vedette jobs cancel`, `retry`, `rerun`, `resume`, `explain` against a real gateway."""

from __future__ import annotations

import json

import pytest

from shared.contracts.waiting import Explanation
from tests.vedette.lab import Lab, Vedette
from tests.vedette.terminal import Terminals, until
from vedette.cli import explain
from vedette.cli.session import Session

HOST = ("scan", "host", "127.0.0.1", "--ports", "1", "--report", "json", "-o", "id")


@pytest.fixture
def held(lab: Lab, vedette: Vedette) -> str:
    """A job that waits."""
    return vedette(*HOST, "--tag", "do=hold").out.strip()


@pytest.fixture
def failed(lab: Lab, vedette: Vedette) -> str:
    """A job that failed."""
    job = vedette(*HOST, "--tag", "do=fail").out.strip()
    assert vedette("jobs", "wait", job).code == 1
    return job


@pytest.fixture
def done(lab: Lab, vedette: Vedette) -> str:
    """A job that succeeded."""
    job = vedette(*HOST).out.strip()
    assert vedette("jobs", "wait", job).code == 0
    return job


def _job(vedette: Vedette, job: str) -> dict[str, object]:
    return dict(json.loads(vedette("jobs", "get", job, "-o", "json").out))


def test_a_job_that_waits_is_cancelled_at_once_and_twice_is_once(held: str, vedette: Vedette) -> None:
    for _ in range(2):
        ran = vedette("jobs", "cancel", held[-8:])
        assert ran.code == 0
        assert "cancelled" in ran.out
    assert _job(vedette, held)["state"] == "cancelled"


def test_one_that_cannot_be_cancelled_does_not_hold_up_the_others(held: str, done: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "cancel", done, held, "-o", "id")
    assert (ran.code, ran.out.strip()) == (9, held)
    assert done[-8:] in ran.err
    assert vedette("jobs", "cancel", done).code == 6


def test_many_are_counted_first(held: str, vedette: Vedette) -> None:
    tagged = (*HOST, "--tag", "do=hold", "--tag", f"x={held[-8:]}")
    jobs = {vedette(*tagged).out.strip() for _ in range(2)}
    which = ("jobs", "cancel", "-q", f"tag:x={held[-8:]}")
    unasked = vedette(*which)
    assert unasked.code == 2
    assert "Add --expect 2" in unasked.err
    assert vedette(*which, "--expect", "3").code == 6
    assert "2 of 2" in vedette(*which, "--dry-run").out
    ran = vedette(*which, "--expect", "2")
    assert ran.code == 0, ran.err
    assert "2 of 2 cancelled" in ran.out
    assert {str(_job(vedette, job)["state"]) for job in jobs} == {"cancelled"}
    assert _job(vedette, held)["state"] == "queued"
    assert "nothing was cancelled" in vedette(*which).err


def test_a_batch_is_cancelled_with_yes(lab: Lab, vedette: Vedette) -> None:
    submitted = vedette("scan", "host", "127.0.0.1-3", *HOST[3:7], "--tag", "do=hold", "-o", "jsonl")
    batch = json.loads(submitted.out.splitlines()[0])["batch_id"]
    assert vedette("jobs", "cancel", "--batch", batch[-8:], "--yes").code == 0
    states = vedette("jobs", "list", "--batch", batch, "-o", "csv", "--fields", "state").out.split()[1:]
    assert states == ["cancelled"] * 3
    assert vedette("jobs", "cancel", "--batch", "nope", "--yes").code == 5


def test_at_a_terminal_the_count_is_typed(held: str, terminals: Terminals, vedette: Vedette) -> None:
    child, screen = terminals.run(80, "jobs", "cancel", "-q", f"id:{held}")
    until(screen, "Type 1 to go on: ")
    terminals.type(screen, "1\n")
    until(screen, "1 of 1 cancelled")
    assert child.wait(30) == 0


def test_one_way_to_name_jobs_is_enough(vedette: Vedette) -> None:
    for arguments in ([], ["3f0f6e1b", "-q", "state:queued"]):
        ran = vedette("jobs", "cancel", *arguments, "--url", "http://127.0.0.1:1")
        assert ran.code == 2
        assert "fix: " in ran.err


@pytest.mark.parametrize("query", ["", " "])
def test_a_query_that_a_shell_left_empty_is_not_every_job(vedette: Vedette, query: str) -> None:
    ran = vedette("jobs", "cancel", "-q", query, "--yes", "--url", "http://127.0.0.1:1")
    assert ran.code == 2
    assert "empty" in ran.err


def test_a_failed_job_is_tried_again_and_ends_again(failed: str, vedette: Vedette) -> None:
    assert vedette("jobs", "retry", failed, "--wait").code == 1
    assert _job(vedette, failed)["run"] == 2


def test_what_succeeded_is_not_tried_again_but_done_again_from_a_stage(done: str, vedette: Vedette) -> None:
    assert vedette("jobs", "retry", done).code == 6
    assert vedette("jobs", "resume", done, "--from", "report", "--wait").code == 0
    found = _job(vedette, done)
    assert (found["state"], found["run"]) == ("succeeded", 2)
    assert vedette("jobs", "resume", done, "--from", "lunch").code == 2


def test_a_job_is_submitted_again_as_another_one_which_is_the_last(done: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "rerun", done, "--wait", "-o", "json")
    assert ran.code == 0
    made = json.loads(ran.out)
    assert (made["origin_id"], made["id"] == done) == (done, False)
    assert _job(vedette, "@last")["id"] == made["id"]


def test_what_a_job_waits_for_is_a_sentence_or_json(held: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "explain", held)
    assert ran.code == 0
    assert "scan" in ran.out.splitlines()[0]
    told = json.loads(vedette("jobs", "explain", held, "-o", "json").out)
    assert told["waiting"]["reason"]
    assert told["summary"].partition(", ")[2] in ran.out.splitlines()[0]
    assert vedette("jobs", "explain", "00000000").code == 5


def test_the_list_says_what_jobs_wait_for(held: str, vedette: Vedette) -> None:
    ran = vedette("jobs", "list", "--state", "queued")
    assert "waiting for" in ran.out
    assert "vedette jobs explain" in ran.err


def test_what_works_on_a_job_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    found = Explanation(job_id="x", state="running", summary="running: scan on a@b", running="scan on a@b")
    explain._show(Session(), found)
    assert capsys.readouterr().out == "running: scan on a@b\n"


def test_the_fix_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = Explanation(
        job_id="x", state="queued", summary="queued for 6 m in scan.heavy", fix="vedette up", facts=["two\x1b[2J ahead"]
    )
    explain._show(Session(), found)
    assert capsys.readouterr().out == "queued for 6 m in scan.heavy\n  two‹1B›[2J ahead\nfix: vedette up\n"
