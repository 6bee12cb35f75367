"""One delivery of one message to one worker: what the layers need to know of it, and nothing of Celery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Delivery:
    """retries: how often this message was tried again already.  limit_s: how long the stage may run (soft limit).

    tag: the delivery tag of the message, the same however often it is delivered; at most 64 characters of it.
    """

    worker: str
    retries: int
    limit_s: float
    traceparent: str = ""
    tag: str = ""
