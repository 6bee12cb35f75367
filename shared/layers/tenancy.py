"""Whose work this is: bound to every log line of the stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from structlog.contextvars import bind_contextvars, bound_contextvars

from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.delivery import Delivery
from shared.telemetry.attributes import ATTEMPT


@contextmanager
def bound(stage: StageName, envelope: Envelope, delivery: Delivery) -> Iterator[None]:
    """Bind job, organisation, stage and attempt for the block."""
    attempt = delivery.retries + 1
    with bound_contextvars(job_id=envelope.job_id, org_id=envelope.org_id, stage=stage.value, attempt=attempt):
        yield


def attempt(number: int) -> None:
    """Say of what follows in the block that it is this attempt, as the ledger counts: deliveries that were lost too."""
    bind_contextvars(attempt=number)
    trace.get_current_span().set_attribute(ATTEMPT, number)
