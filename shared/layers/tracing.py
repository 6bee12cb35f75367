"""The span of a stage, as a child of whoever published its message."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry import trace

from shared import telemetry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.layers.delivery import Delivery


def span_of(stage: StageName, envelope: Envelope, delivery: Delivery) -> AbstractContextManager[trace.Span]:
    """A span named after the stage, with OpenTelemetry's messaging attributes and our own."""
    return telemetry.span(
        f"{stage}.run",
        traceparent=delivery.traceparent,
        **{
            "messaging.system": "celery",
            "messaging.destination.name": stage.value,
            "vedette.job.id": envelope.job_id,
            "vedette.org.id": envelope.org_id,
            "vedette.stage": stage.value,
            "vedette.attempt": delivery.retries + 1,
            "vedette.target.kind": envelope.kind,
        },
    )
