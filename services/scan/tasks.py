"""The stage `scan`: the kind's scanner looks at the target; what it saw is kept with the end of the step."""

from __future__ import annotations

import asyncio

from services.scan.kinds import Result, Run
from shared import registry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.ledger import Step
from shared.queue import stage
from shared.store import evidence, jobs
from shared.store.engine import reading


@stage(StageName.SCAN)
def run(envelope: Envelope, step: Step) -> None:
    """Scan the job's target."""
    with reading() as connection:
        asked, options = jobs.request(connection, envelope.job_id)
    scanner = registry.plugin("services.scan.kinds", envelope.kind)
    how = Run(options.profile, step.deadline, step.progress)
    result: Result = asyncio.run(scanner.scan(registry.target(asked), how))
    step.summary = result.summary
    step.keep(lambda write: evidence.save(write, envelope.job_id, result.observations, result.coverage))
