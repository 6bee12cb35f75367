"""What is true of every stage, one context manager per file. `around` puts them in their order, outermost first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers import ledger, tenancy, tracing
from shared.layers.delivery import Delivery
from shared.layers.ledger import Step

log = structlog.get_logger()


@contextmanager
def around(stage: StageName, envelope: Envelope, delivery: Delivery) -> Iterator[Step]:
    """Everything around one run of one stage. Raises `ledger.AlreadyOver`, `RetryLater` or `StageFailed`."""
    with (
        tracing.span_of(stage, envelope, delivery),
        tenancy.bound(stage, envelope, delivery),
        ledger.step(stage, envelope, delivery) as step,
    ):
        tenancy.attempt(step.taken.attempt)
        if step.taken.lost:
            log.warning("stage.began", worker=delivery.worker, lost=step.taken.lost)
        else:
            log.info("stage.began", worker=delivery.worker)
        yield step
