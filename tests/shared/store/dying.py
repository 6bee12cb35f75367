"""Dead letters for tests, written as workers and the ingester write them."""

from __future__ import annotations

import json
from base64 import b64encode
from itertools import count
from typing import Any

from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.job import Failure, StageName
from shared.errors import FailureClass
from shared.store import burial, dead_letters, jobs, ledger
from shared.store.burial import Arrival, TakenIn
from shared.store.engine import reading, writing
from tests.sealed import sealed
from tests.shared.store.making import make, new_job, run_through, take_step

UNREACHABLE = ErrorDetail(type="HostUnreachable", code="host-unreachable", message="127.0.0.1 did not answer.")

_numbers = count(1)


def entry(job_id: str | None = None, stage: StageName | None = StageName.SCAN, **fields: Any) -> DeadLetterEntry:
    made = {
        "reason": Reason.STAGE_FAILED,
        "failure_class": FailureClass.TEMPORARY,
        "rule": "raises Temporary (HostUnreachable)",
        "queue": "scan",
        "task": f"{stage}.run" if stage else "",
        "task_id": f"{job_id}.{stage}" if job_id and stage else "",
        "error": UNREACHABLE,
        "worker": "scan@h",
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
        **fields,
    }
    return DeadLetterEntry(job_id=job_id, stage=stage, **made)


def message(job_id: str, stage: StageName = StageName.SCAN, run: int = 1) -> bytes:
    """Return a raw message as kombu keeps it in Redis, as far as the ingester reads it."""
    body = [[{"job_id": job_id, "org_id": "org", "run": run}], {}, {"callbacks": None}]
    headers = {"task": f"{stage}.run", "id": f"{job_id}.{stage}", "retries": 0}
    encoded = b64encode(json.dumps(body).encode()).decode()
    made = sealed({"body": encoded, "headers": headers, "properties": {"delivery_tag": "t"}})
    return json.dumps(made).encode()


def arrival(made: DeadLetterEntry, raw: bytes = b"", run: int = 0, stream_id: str = "") -> Arrival:
    return Arrival(stream_id or f"{next(_numbers)}-0", made, raw, run)


def take_in(*arrivals: Arrival) -> TakenIn:
    with writing() as connection:
        return burial.take_in(connection, arrivals)


def fail_step(job_id: str, stage: StageName = StageName.SCAN, run: int = 1) -> None:
    """Have a stage fail for good, and the last one tell of it."""
    failure = Failure(code="host-unreachable", failure_class="temporary", message="127.0.0.1 did not answer.")
    taken = take_step(job_id, stage, run=run)
    with writing() as connection:
        ledger.fail(connection, taken, failure)
    if stage is not StageName.NOTIFY:
        run_through(job_id, StageName.NOTIFY, run=run)


def failed_job(host: str = "127.0.0.1", stage: StageName = StageName.SCAN, **fields: Any) -> tuple[str, str]:
    """Make a job that failed in a stage, and its dead letter; return the ids of both."""
    [job_id] = make(new_job(host))
    if before := list(StageName)[: list(StageName).index(stage)]:
        run_through(job_id, *before)
    fail_step(job_id, stage)
    take_in(arrival(entry(job_id, stage, **fields)))
    return job_id, letter_of(job_id)


def letter_of(job_id: str) -> str:
    """Return the id of the newest dead letter of a job."""
    with reading() as connection:
        org_id = jobs.view(connection, job_id).org_id
        found = dead_letters.page(connection, org_id, limit=1000)
    return max(each.id for each in found if each.job_id == job_id)
