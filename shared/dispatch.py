"""What messages carry besides their envelope: written where one is sent, read where it comes in.

`traceparent` is the job's span, which all stages continue; `x-producer` the span of this very sending. The headers are
signed with the rest of the message.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import Any

from celery import Task, current_task
from celery.signals import after_task_publish, before_task_publish

from shared import telemetry
from shared.broker import keys
from shared.layers import tracing
from shared.layers.delivery import Delivery
from shared.settings import settings

_RUN = "run_traceparent"  # attribute of a request: the span of the run that it is
_local = threading.local()


def delivery(task: Task[Any, Any]) -> Delivery:
    """Return what the message that `task` runs for says of itself."""
    request = task.request
    limits = request.timelimit or (None, None)
    return Delivery(
        worker=str(request.hostname or ""),
        retries=int(request.retries or 0),
        limit_s=float(limits[1] or settings().stage_soft_limit_s),
        traceparent=str(getattr(request, "traceparent", None) or ""),
        tag=str((request.properties or {}).get("delivery_tag") or "")[:64],
        lane=str((request.delivery_info or {}).get("routing_key") or ""),
        producer=str(request.get(keys.PRODUCER) or ""),
        sent_at=_unix(request.get(keys.SENT_AT)),
        due_at=_unix(request.eta),
        returned_at=_unix(request.get(keys.RETURNED_AT)),
    )


def remember_run(task: Task[Any, Any]) -> None:
    """Have what the task sends after its run, the next stage or a retry of itself, be a part of the current span."""
    task.request.update({_RUN: telemetry.traceparent()})


@before_task_publish.connect
def _begin_sending(
    headers: dict[str, Any] | None = None,
    body: Any = None,  # noqa: ANN401  Celery's: arguments, named ones, what follows
    routing_key: str | None = None,
    **_: object,
) -> None:
    if headers is None:
        return
    sender = current_task.request if current_task else None
    of_job = headers.get("traceparent") or str(getattr(sender, "traceparent", None) or "") or telemetry.traceparent()
    parent = str(getattr(sender, _RUN, None) or "") or of_job
    _local.span, producer = tracing.begin_sending(
        _envelope(body), str(headers.get("id", "")), str(routing_key or ""), parent
    )
    headers.pop(keys.RETURNED_AT, None)  # of the message that is tried again
    headers |= {"traceparent": of_job, keys.PRODUCER: producer, keys.SENT_AT: round(time.time(), 6)}


@after_task_publish.connect
def _end_sending(**_: object) -> None:
    if (span := getattr(_local, "span", None)) is not None:
        span.end()
        _local.span = None


def _envelope(body: Any) -> dict[str, Any]:  # noqa: ANN401
    try:
        return dict(body[0][0])
    except (TypeError, LookupError, ValueError):
        return {}


def _unix(moment: object) -> float | None:
    """Return a time that a message tells as unix time; None where it tells none."""
    if isinstance(moment, (int, float)):
        return float(moment)
    try:
        return datetime.fromisoformat(str(moment)).timestamp() if moment else None
    except ValueError:
        return None
