"""One delivery of one message to one worker: what the layers need to know of it, and nothing of Celery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """retries: how often this message was tried again already.  limit_s: how long the stage may run (soft limit).

    tag: the delivery tag of the message, the same however often it is delivered; at most 64 characters of it.
    lane: the queue that it came from.  traceparent: of the job's span.  producer: traceparent of the span that sent it.
    sent_at, due_at, returned_at: unix times at which it was sent, is to begin earliest, and was put back after it was
    lost.
    """

    worker: str
    retries: int
    limit_s: float
    traceparent: str = ""
    tag: str = ""
    lane: str = ""
    producer: str = ""
    sent_at: float | None = None
    due_at: float | None = None
    returned_at: float | None = None
