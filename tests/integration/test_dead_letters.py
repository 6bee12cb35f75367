"""The way of a dead letter through real workers: a stage fails for good, somebody looks, replays, and the job ends."""

from __future__ import annotations

import pytest

from control import ingester
from shared import replay, testing
from shared.broker import presence
from shared.contracts.dead_letter import DeadLetterState, DeadLetterView, Reason, Replay, ReplayMode
from shared.contracts.job import JobState, StageName
from shared.contracts.submission import Options
from shared.errors import FailureClass
from shared.pipeline import submit
from shared.store import dead_letters, settling
from shared.store.engine import reading
from tests.integration.conftest import Stack
from tests.shared.store.making import ORG, make, new_job

SCAN, PROCESS, REPORT, NOTIFY = StageName


@pytest.fixture(scope="module")
def running(stack: Stack) -> Stack:
    stack.start(*(stage.value for stage in StageName))
    testing.wait_for(lambda: len(presence.live(stack.broker)) == len(StageName), "all workers say that they live")
    return stack


def letter_of(job_id: str) -> DeadLetterView:
    """Take in what workers left, and return the newest letter of the job once it is there."""

    def found() -> list[DeadLetterView]:
        ingester.ingest_once()
        with reading() as connection:
            page = dead_letters.page(connection, ORG)
        return [each for each in page if each.job_id == job_id]

    testing.wait_for(found, f"job {job_id} has a dead letter")
    return found()[0]


def test_a_job_goes_on_at_the_stage_that_failed_and_its_scanner_is_not_called_again(
    running: Stack,
) -> None:
    options = Options(reports=["papyrus"])
    [job_id] = make(new_job(options=options, parts={REPORT: ["papyrus"]}))
    submit([job_id])
    assert running.ended(job_id).state is JobState.FAILED
    letter = letter_of(job_id)
    assert (letter.reason, letter.failure_class, letter.stage) == (Reason.STAGE_FAILED, FailureClass.PERMANENT, REPORT)
    assert (letter.rule, letter.error.code) == ("raises Permanent (NoPartSucceeded)", "no-part-succeeded")
    assert letter.worker.startswith("report@")
    with reading() as connection:
        payload = dead_letters.payload(connection, letter.id, ORG)
    assert payload.message is not None
    assert payload.message["headers"]["task"] == "report.run"

    [again] = replay.replay(ORG, [letter.id], Replay(), "ann")
    assert again.ok
    running.ended(job_id)
    second = letter_of(job_id)
    assert (second.replay_of, second.run, second.fingerprint) == (letter.id, 2, letter.fingerprint)

    edited = Replay(mode=ReplayMode.EDITED, changes={"reports": ["json"]})
    [done] = replay.replay(ORG, [second.id], edited, "ann")
    assert done.ok
    ended = running.ended(job_id)
    assert (ended.state, ended.run) == (JobState.SUCCEEDED, 3)
    assert running.step(job_id, SCAN).attempt == 1
    settling.settle()
    with reading() as connection:
        assert dead_letters.get(connection, second.id).state is DeadLetterState.RESOLVED
    assert len(running.receiver.of(job_id)) == 3  # the end of each run once
