"""The stage `scan`: the kind's scanner looks at the target; what it saw is kept with the end of the step."""

from __future__ import annotations

import asyncio

from services.scan.kinds import Result, Run
from shared import registry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.ledger import Step
from shared.queue import stage
from shared.store import evidence, jobs, refusals, scan_rules
from shared.store.engine import reading


@stage(StageName.SCAN)
def run(envelope: Envelope, step: Step) -> None:
    """Scan the job's target."""
    look(envelope, step)


def look(envelope: Envelope, step: Step) -> None:
    """Scan the job's target within what its organisation may scan now; what was refused stands in the audit."""
    with reading(envelope.org_id) as connection:
        asked, options = jobs.request(connection, envelope.job_id)
        within = scan_rules.reach(connection, envelope.org_id)
    scanner = registry.plugin("services.scan.kinds", envelope.kind)
    refused: list[tuple[str, str]] = []
    how = Run(options.profile, step.deadline, step.progress, within, lambda *what: refused.append(what))
    try:
        result: Result = asyncio.run(scanner.scan(registry.target(asked), how))
    finally:
        if refused:
            refusals.note(envelope.org_id, "scan", "connection.refused", f"job:{envelope.job_id}", refused)
    step.summary = result.summary
    job_id, org_id = envelope.job_id, envelope.org_id
    step.keep(lambda write: evidence.save(write, job_id, org_id, result.observations, result.coverage))
