"""The spans of a stage: how long its message waited, and the run of one attempt; all children of the job's span.

Attempts are siblings, each in a row of its own; a link to the span of its sending says which message led to one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from shared import telemetry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.contracts.trace import Segment
from shared.layers.delivery import Delivery
from shared.telemetry.attributes import ATTEMPT, JOB, KIND, ORG, SEGMENT, STAGE, Attributes

_SAID = {"job_id": JOB, "org_id": ORG, "kind": KIND}  # of an envelope


@contextmanager
def span_of(stage: StageName, envelope: Envelope, delivery: Delivery) -> Iterator[trace.Span]:
    """The span of one run of a stage, with OpenTelemetry's messaging attributes and our own."""
    mine: dict[str, str | int] = {
        JOB: envelope.job_id,
        ORG: envelope.org_id,
        STAGE: stage.value,
        ATTEMPT: delivery.retries + 1,
        KIND: envelope.kind,
    }
    waited = _wait(stage, delivery, mine)
    said: Attributes = {
        SEGMENT: Segment.RUN.value,
        "messaging.system": "celery",
        "messaging.operation.name": "run",
        "messaging.operation.type": "process",
        "messaging.destination.name": delivery.lane or stage.value,
        "messaging.message.id": f"{envelope.job_id}.{stage}",
        "messaging.message.conversation_id": envelope.job_id,
        "vedette.worker": delivery.worker,
        "vedette.waited_s": waited,
    }
    with telemetry.span(
        f"run {stage}",
        {**mine, **said},
        kind=SpanKind.CONSUMER,
        traceparent=delivery.traceparent,
        linked_to=delivery.producer,
    ) as span:
        yield span


def begin_sending(envelope: Mapping[str, Any], task_id: str, lane: str, parent: str) -> tuple[trace.Span, str]:
    """Begin the span of sending a message; return it, to be ended, and its traceparent.

    envelope: as plain data.  parent: the traceparent of the run that sends it, or of the job.
    """
    stage = task_id.rpartition(".")[2]
    said: dict[str, str | int] = {
        SEGMENT: Segment.SEND.value,
        STAGE: stage,
        "messaging.system": "celery",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": lane,
        "messaging.message.id": task_id,
    }
    said |= {name: str(envelope[key]) for key, name in _SAID.items() if key in envelope}
    return telemetry.open_span(f"send {stage}", said, kind=SpanKind.PRODUCER, traceparent=parent)


def _wait(stage: StageName, delivery: Delivery, mine: dict[str, str | int]) -> float:
    """Make the spans of the time before a run: the back-off of a retry until it was due, and the wait in the queue.

    Returns the seconds of the wait.
    """
    at = time.time()
    since = delivery.returned_at or delivery.sent_at
    if since is None:
        return 0.0
    due = max(since, delivery.due_at or 0.0)
    if due > since:
        _past(f"back off {stage}", since, min(due, at), mine | {SEGMENT: Segment.BACKOFF.value}, delivery)
    if at > due:
        _past(f"wait {stage}", due, at, mine | {SEGMENT: Segment.WAIT.value}, delivery)
    return round(max(0.0, at - due), 4)


def _past(name: str, began_s: float, ended_s: float, attributes: Attributes, delivery: Delivery) -> None:
    telemetry.past(name, began_s, ended_s, attributes, traceparent=delivery.traceparent)
