"""The gateway dies between the commit of a submission and its publication: the job runs all the same, once."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from shared import testing
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from shared.store import jobs
from shared.store.engine import reading
from tests.chaos import verdict
from tests.chaos.stack import FORMATS, GATEWAY, Stack
from vedette.refusals import Unreachable


@dataclass(frozen=True)
class Result:
    """seconds: from the death of the gateway to the end of the job."""

    seconds: float
    faults: list[str]


def run(stack: Stack, expected: verdict.Outcome) -> Result:
    stack.start(GATEWAY)
    (stack.folder / "fired").unlink(missing_ok=True)
    (stack.folder / "armed-gateway").touch()
    before = set(_ids())
    target = Target(host=stack.target.address, ports=str(stack.target.port))
    died = time.monotonic()
    with stack.client as client, contextlib.suppress(Unreachable):
        client.submit([target], Options(reports=FORMATS))
    wrong = [] if (stack.folder / "fired").exists() else ["the gateway did not die"]
    testing.wait_for(lambda: set(_ids()) - before, "the job is written")
    ids = sorted(set(_ids()) - before)
    if len(ids) != 1:
        wrong.append(f"{len(ids)} jobs were written")
    for view in stack.wait(ids, 60.0):
        wrong += verdict.faults(stack, view, expected)
    seconds = time.monotonic() - died
    stack.ready(GATEWAY)
    return Result(seconds, wrong)


def _ids() -> list[str]:
    with reading() as connection:
        return [view.id for view in jobs.page(connection, "local", limit=200)]
