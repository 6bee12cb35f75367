"""What a failure means: its class and why, whether and when the stage is tried again. Asked only when one failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from shared.contracts.dead_letter import ErrorDetail
from shared.contracts.job import Failure
from shared.dlq import StageFailed, detail
from shared.errors import POLICIES, UNTIL_HEALTHY, External, FailureClass, Policy, VedetteError
from shared.ids import now
from shared.layers.overrides import overrides_of
from shared.store.ledger import Taken

log = structlog.get_logger()

RETRY_AFTER_CAP_S = 3600.0  # of what others may ask for
NOT_ATTEMPTED_FOR = timedelta(hours=24)  # after the deadline, for what waits until others are well again
LATE_RETRIES = 10  # of infrastructure once the deadline has passed: the last stage goes on after it


@dataclass(frozen=True)
class Judgement:
    """rule: why it is this class.  after_s: seconds until the next attempt, None when there is none.

    is_attempt: whether the failure counts towards the retries of its class.  fingerprint: that of its dead letter.
    """

    failure: Failure
    rule: str
    error: ErrorDetail
    after_s: float | None
    is_attempt: bool = True
    fingerprint: str = ""

    def stage_failed(self) -> StageFailed:
        return StageFailed(FailureClass(self.failure.failure_class), self.rule, self.error)


def judge(exc: Exception, taken: Taken, deadline_at: datetime | None) -> Judgement:
    """Return what the failure of a step means after the attempts that it had."""
    if not isinstance(exc, VedetteError):
        log.error("stage.error.unknown", error=type(exc).__name__, exc_info=exc)
    error, overrides = detail(exc), overrides_of(taken.key.org_id)
    chosen = overrides.classified(exc, error, taken)
    policy = overrides.policies.get(chosen.failure_class, POLICIES[chosen.failure_class])
    after_s = _wait_s(exc, policy, taken.retries, deadline_at)
    is_attempt = not isinstance(exc, VedetteError) or exc.is_attempt
    same = overrides.fingerprint(error, taken)
    return Judgement(_failure(exc, chosen.failure_class, taken), chosen.rule, error, after_s, is_attempt, same)


def _wait_s(exc: Exception, policy: Policy, retries: int, deadline_at: datetime | None) -> float | None:
    if isinstance(exc, External) and not exc.is_attempt:
        is_hopeless = deadline_at is not None and now() > deadline_at + NOT_ATTEMPTED_FOR
        return None if is_hopeless else max(exc.retry_after_s or 0.0, 1.0)
    limit = policy.retries
    if limit == UNTIL_HEALTHY and (deadline_at is None or deadline_at < now()):
        limit = LATE_RETRIES
    if retries >= limit:
        return None
    after_s = policy.wait_s(retries + 1)
    if isinstance(exc, External) and exc.retry_after_s is not None:
        after_s = max(after_s, min(exc.retry_after_s, RETRY_AFTER_CAP_S))
    return after_s


def _failure(exc: Exception, failure_class: FailureClass, taken: Taken) -> Failure:
    ours = exc if isinstance(exc, VedetteError) else None
    return Failure(
        code=ours.code if ours else "internal",
        failure_class=failure_class,
        message=ours.message if ours else f"{type(exc).__name__} in the {taken.key.stage} stage.",
        cure=ours.cure if ours else "This is a bug: please report it with the trace id.",
        stage=taken.key.stage,
        part=taken.key.part,
        attempt=taken.attempt,
    )
