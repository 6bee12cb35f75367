"""The Celery app, the queues and lanes, and `stage`: five lines of wiring around a plain function.

Lanes: the scan service's queue is four, so that a heavy scan never stands before a quick one.
Settings that keep messages safe: docs/decisions/0005 and 0014.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore, Reject
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from shared import dispatch
from shared.broker import transport
from shared.contracts.envelope import Envelope
from shared.contracts.job import Profile, StageName
from shared.contracts.lanes import ALL_LANES, LANES, PRIORITIES
from shared.dlq import StageFailed
from shared.layers import around
from shared.layers.ledger import AlreadyOver, RetryLater, Step
from shared.settings import settings

LAST_STAGE = StageName.NOTIFY
LIMITS = {Profile.QUICK: 1 / 3, Profile.STANDARD: 1.0, Profile.COMPREHENSIVE: 6.0}  # times a stage's limits

StageFunction = Callable[[Envelope, Step], None]


transport.install()


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name), routing_key=name)  # a bare Queue(name) would bind to the exchange `celery`


class Chained(Task[Any, Any]):
    """A task whose message goes back to its queue when the next one of its chain could not be sent.

    Celery would acknowledge it, and the rest of the chain would be lost. Nothing runs twice: the step is over.
    """

    Request = "shared.broker.request:Request"

    def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:  # noqa: ANN401
        del task_id, args, kwargs, einfo
        if isinstance(exc, OperationalError):
            raise Reject(exc, requeue=True)


app: Celery[Task[Any, Any]] = Celery("vedette", task_cls=Chained, amqp="shared.broker.sealing:AMQP")
app.conf.update(
    broker_url=settings().broker_url,
    task_queues=[_queue(lane) for lane in ALL_LANES],
    task_create_missing_queues=False,
    task_default_queue="scan",
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,  # the ledger is the truth; see docs/decisions/0003
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_acks_on_timeout=False,  # a task past its hard limit is delivered again; its message counts how often
    worker_consumer="shared.broker.consumer:Consumer",
    worker_prefetch_multiplier=1,
    task_soft_time_limit=settings().stage_soft_limit_s,
    task_time_limit=settings().stage_hard_limit_s,
    task_publish_retry_policy={"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5},
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "lease_s": settings().lease_s,
        "queue_order_strategy": "priority",
        "health_check_interval": 15,
        "socket_timeout": 5,  # also the longest that a frozen broker holds up a worker's main process
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    },
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,  # its commands are not signed: whoever reaches Redis could stop workers
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_enable_prefetch_count_reduction=False,  # the transport counts what runs, also after a connection was lost
    broker_heartbeat=0,
    enable_utc=True,
    timezone="UTC",
)


def stage(name: StageName) -> Callable[[StageFunction], Task[Any, Any]]:
    """Make a plain function `(envelope, step) -> None` the task `<name>.run`, inside all layers.

    The task hands the envelope on, so that a chain of stages is a chain of tasks. A step that is over is not run
    again: a redelivery of it only hands the envelope on.
    """

    def wire(function: StageFunction) -> Task[Any, Any]:
        @app.task(name=f"{name}.run", bind=True, max_retries=None, throws=(StageFailed,))
        @wraps(function)
        def run(self: Task[Any, Any], message: dict[str, Any]) -> dict[str, Any]:
            envelope = Envelope.model_validate(message)
            try:
                with around(name, envelope, dispatch.delivery(self)) as step:
                    dispatch.remember_run(self)
                    function(envelope, step)
            except AlreadyOver as over:
                if over.failed:
                    tell(name, envelope)  # the worker may have died before it did
                if over.failure is not None:
                    raise StageFailed.recorded(over.failure) from None
                if not over.succeeded:
                    raise Ignore from over
            except RetryLater as later:
                raise _again(self, later.after_s) from later
            except StageFailed:  # after it is told of, the worker's main process makes a dead letter of the message
                tell(name, envelope)
                raise
            return message

        return run

    return wire


def task_id(stage: StageName, envelope: Envelope) -> str:
    """Return the id of a stage's task: the same however often it is sent, so that it can be found and revoked."""
    return ".".join(filter(None, (envelope.job_id, stage, envelope.part)))


def sending(stage: StageName, envelope: Envelope) -> dict[str, Any]:
    """Return the options with which a stage's task is sent: where to, how urgent, how long it may take."""
    share = LIMITS[envelope.profile]
    return {
        "queue": envelope.lane if stage is StageName.SCAN else LANES[stage][0],
        "priority": PRIORITIES[envelope.priority],
        "task_id": task_id(stage, envelope),
        "soft_time_limit": settings().stage_soft_limit_s * share,
        "time_limit": settings().stage_hard_limit_s * share,
    }


def tell(failed: StageName, envelope: Envelope) -> None:
    """Send a failed job straight to the last stage, so that whoever must know is told.

    Raises Reject when the broker is away: the message comes back, finds its step failed, and tells then.
    """
    if failed is LAST_STAGE or envelope.part:  # the job of a single part was over before
        return
    try:
        app.send_task(f"{LAST_STAGE}.run", [envelope.model_dump(mode="json")], **sending(LAST_STAGE, envelope))
    except OperationalError as exc:
        raise Reject(exc, requeue=True) from exc


def _again(task: Task[Any, Any], after_s: float) -> Exception:
    """Send this message again for later. Celery would drop it when that cannot be done; here it goes back."""
    try:
        return task.retry(countdown=after_s, throw=False)
    except Reject as exc:
        return Reject(exc.args[0], requeue=True)
