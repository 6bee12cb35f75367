"""The stage `process`: rules turn what was seen into findings, a score, and the difference to the last scan."""

from __future__ import annotations

from services.process import diff, score
from services.process.judge import judge, unjudged
from shared import registry
from shared.contracts.envelope import Envelope
from shared.contracts.finding import Assessment, ChangeState, Finding
from shared.contracts.job import StageName
from shared.ids import now
from shared.layers.ledger import Step
from shared.layers.work import work
from shared.queue import stage
from shared.store import evidence, findings, jobs
from shared.store.engine import reading


@stage(StageName.PROCESS)
def run(envelope: Envelope, step: Step) -> None:
    """Judge what the job's scan saw."""
    job_id, at = envelope.job_id, now()
    with reading(envelope.org_id) as connection:
        asked, options = jobs.request(connection, job_id)
        seen = evidence.observed(connection, job_id)
        coverage = evidence.covered(connection, job_id)
        before = findings.previous(connection, job_id)
        earlier = findings.of_job(connection, before[0]) if before else None
        first_seen = findings.first_seen(connection, job_id)
    last = _last(envelope.org_id, before, diff.scope(asked, options.profile, coverage))
    coverage = coverage.model_copy(
        update={"gaps": list(dict.fromkeys([*coverage.gaps, *unjudged(envelope.kind, seen)]))}
    )
    current = judge(envelope.kind, seen, at)
    with work(
        "compare with earlier", {"vedette.findings": len(current), "vedette.findings.earlier": len(earlier or [])}
    ):
        comparison = diff.compare(
            current,
            None if earlier is None else [finding for finding in earlier if finding.change is not ChangeState.FIXED],
            first_seen=first_seen,
            was_checked=diff.checked(registry.target(asked), options.profile, coverage, seen),
            at=at,
        )
    judged, assessment = score.assess(comparison.findings)
    assessment = assessment.model_copy(update={"change": comparison.change.model_copy(update=last)})
    standing = [finding.model_copy(update={"change": ChangeState.STANDING}) for finding in comparison.standing]
    step.summary = _summary(judged, standing, assessment)
    step.keep(lambda write: evidence.save_coverage(write, job_id, envelope.org_id, coverage))
    step.keep(
        lambda write: findings.save(write, job_id, envelope.org_id, [*judged, *comparison.fixed, *standing], assessment)
    )


def _last(org_id: str, before: tuple[str, int | None] | None, scope: diff.Scope) -> dict[str, object]:
    """Return what `Change` says of the previous job, given its id and score; nothing for a first scan."""
    if before is None:
        return {}
    job_id, score_then = before
    with reading(org_id) as connection:
        asked, options = jobs.request(connection, job_id)
        then = diff.scope(asked, options.profile, evidence.covered(connection, job_id))
    return {"previous_job_id": job_id, "previous_score": score_then, "is_comparable": then == scope}


def _summary(judged: list[Finding], standing: list[Finding], assessment: Assessment) -> str:
    change = assessment.change
    count = "1 finding" if len(judged) == 1 else f"{len(judged)} findings"
    if change.previous_job_id is None:
        return count
    told = f"{count} · {len(change.new) + len(change.reopened)} new · {len(change.fixed)} fixed"
    return f"{told} · {len(standing)} not checked again" if standing else told
