"""What real jobs wait for, with real workers: nobody there, a paused queue, others first, a pause between attempts."""

from __future__ import annotations

import pytest

from shared import intervention, testing
from shared.broker import pause
from shared.broker.client import client
from shared.broker.view import look
from shared.contracts.job import StageName, WaitingReason
from shared.contracts.submission import Options
from shared.contracts.waiting import Explanation
from shared.explanation import explain
from shared.pipeline import submit
from shared.store.engine import reading
from tests.integration.conftest import Stack
from tests.shared.store.making import ORG, make, new_job

SEEN_S = 30.0  # a record is written every two seconds


def explained(stack: Stack, job_id: str) -> Explanation:
    with reading() as connection:
        return explain(connection, look(), stack.view(job_id))


def comes_to(stack: Stack, job_id: str, reason: WaitingReason) -> Explanation:
    def is_so() -> bool:
        found = explained(stack, job_id).waiting
        return found is not None and found.reason is reason

    testing.wait_for(is_so, f"{job_id} waits because of {reason}", SEEN_S)
    return explained(stack, job_id)


@pytest.mark.parametrize("own_stack", ["sqlite"], indirect=True)
def test_reasons_follow_what_happens(own_stack: Stack, tarpit: int, banner: int) -> None:
    first = own_stack.submit("127.0.0.1", str(tarpit))
    assert comes_to(own_stack, first, WaitingReason.NO_CONSUMER).fix == "celery -A services.scan worker --queues scan"

    pause.pause(client(), "scan", "anna", "maintenance")
    own_stack.start("scan")
    assert "paused by anna" in comes_to(own_stack, first, WaitingReason.QUEUE_PAUSED).summary
    others = [own_stack.submit("127.0.0.1", str(tarpit)) for _ in range(3)]
    pause.resume(client(), "scan")

    testing.wait_for(lambda: explained(own_stack, first).running, "the first runs", SEEN_S)
    assert explained(own_stack, first).running.startswith("scan on scan@")
    behind = comes_to(own_stack, others[2], WaitingReason.BEHIND_N).waiting
    assert behind is not None
    assert behind.ahead in (1, 2)  # one may be with the worker already
    for job_id in (first, *others):
        intervention.cancel_one(ORG, job_id, "anna")

    own_stack.start("process", "report", "notify")
    deaf = make(new_job(options=Options(reports=["json"], notify=["http://127.0.0.1:9/hook"]), parts=PARTS))[0]
    submit([deaf])
    said = comes_to(own_stack, deaf, WaitingReason.RETRY_BACKOFF)
    assert said.summary.startswith("retrying in notify, because attempt 1 failed")


PARTS = {StageName.REPORT: ["json"]}
