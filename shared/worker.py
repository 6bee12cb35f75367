"""What every worker process does around its tasks: logs, own queues by default, heart-beat, plugins announced.

`serve` is called by a service's `__init__`, so that `celery -A services.<name> worker` is all one needs to start it.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import redis
import structlog
from celery import Celery, bootsteps, signals
from celery.worker.consumer import Consumer

from shared import bus, heartbeat, keyring, recording, telemetry
from shared.broker import children, limits, watch
from shared.broker.client import client
from shared.broker.gate import Gate
from shared.broker.presence import WorkerRecord
from shared.broker.reclaim import reclaim
from shared.broker.request import Request
from shared.broker.shape import STAGE_TASKS
from shared.broker.watch import Watch
from shared.contracts.job import StageName
from shared.contracts.lanes import LANES
from shared.contracts.queues import ActiveTask
from shared.errors import Infrastructure, VedetteError
from shared.ids import now
from shared.queue import app
from shared.recording import Recording
from shared.settings import settings
from shared.store import engine, plugins

log = structlog.get_logger()

# Celery looks for dead children when their pipes close, which may be an instant before they are dead, and then every
# five seconds only: a lost message would wait for so long.
REAP_EVERY_S = 0.25
OPEN_EVERY_S = 0.25  # what waits behind a suspect begins so soon after its end


def serve(stage: StageName, folders: Mapping[str, Sequence[str]]) -> Celery:
    """Return the app, made ready to be a worker of `stage`. `folders` are its plugins by folder, for the gateway."""

    class Alive(bootsteps.StartStopStep):
        """Beats from the worker's own loop, so that a loop that hangs is noticed."""

        requires = ("celery.worker.consumer.tasks:Tasks",)
        watch: Watch | None = None
        recording: Recording

        def start(self, parent: Consumer) -> None:
            if self.watch is None:  # a consumer that reconnects still has tasks of its own running
                self.watch = _watch(stage, parent)
                self.recording = recording.begin_lines(stage)
                _reclaim(stage)
            _announce(folders)
            self.watch.look()  # whoever sees the heart-beat finds the worker among those that there are
            heartbeat.beat(stage)
            parent.timer.call_repeatedly(heartbeat.EVERY_S, heartbeat.beat, (stage.value,))
            parent.timer.call_after(0, self.watch.look)  # once it consumes: others look for who takes from a queue
            parent.timer.call_repeatedly(watch.EVERY_S, self.watch.look)
            parent.timer.call_repeatedly(REAP_EVERY_S, parent.pool.maintain_pool)
            parent.timer.call_repeatedly(OPEN_EVERY_S, _gate(parent).open)
            parent.timer.call_repeatedly(recording.FLUSH_EVERY_S, self.recording.flush)

        def shutdown(self, parent: Consumer) -> None:
            del parent
            if self.watch is not None:
                self.watch.end()
                self.recording.end()

    app.steps["consumer"].add(Alive)
    signals.celeryd_init.connect(_own_keys)

    @signals.setup_logging.connect(weak=False)
    def _own_logs(**_: object) -> None:
        telemetry.start(stage, settings())

    @signals.celeryd_after_setup.connect(weak=False)
    def _own_queues(instance: Any, **_: object) -> None:  # noqa: ANN401  a WorkController
        queues = instance.app.amqp.queues
        if set(queues.consume_from) == set(queues):
            queues.select(LANES[stage])

    @signals.worker_process_init.connect(weak=False)
    def _own_connections(**_: object) -> None:
        children.die_with_parent()
        engine.forget()
        bus.forget()
        children.limit_memory(settings().stage_memory_limit_mb)
        limits.apply(open_files=settings().stage_open_files, file_mb=settings().stage_file_limit_mb)
        _record(stage)
        gc.freeze()  # what is there by now stays: looking through it for garbage takes longer than a small stage

    _measure()
    return app


def _own_keys(**_: object) -> None:
    try:
        keyring.require()
    except VedetteError as exc:
        sys.stderr.write(f"vedette worker: {exc.message} {exc.cure}\n")
        sys.exit(keyring.MISCONFIGURED)


def _record(stage: StageName) -> None:
    """Have this child make spans, and send them when each task has ended: after it sent the next stage's message."""
    mine = recording.begin(stage, recording.FLUSH_EVERY_S)

    @signals.task_postrun.connect(weak=False)
    def _flush(**_: object) -> None:
        mine.flush()

    @signals.worker_process_shutdown.connect(weak=False)
    def _end(**_: object) -> None:
        mine.end()


def _measure() -> None:
    """Have memory and CPU time count for each task anew."""

    @signals.task_prerun.connect(weak=False)
    def _begin(**_: object) -> None:
        children.forget_peak()
        limits.begin(settings().stage_cpu_limit_s)

    @signals.task_postrun.connect(weak=False)
    def _end(**_: object) -> None:
        limits.end()


def _watch(stage: StageName, consumer: Any) -> Watch:  # noqa: ANN401  its stubs lack half of it
    started_at = now()

    def describe(running: Sequence[Request]) -> WorkerRecord:
        return WorkerRecord(
            hostname=consumer.hostname,
            service=stage,
            pid=os.getpid(),
            queues=[queue.name for queue in consumer.task_consumer.queues] if consumer.task_consumer else [],
            concurrency=consumer.pool.num_processes,
            active=[_active(request) for request in running],
            started_at=started_at,
        )

    made = Watch(consumer.hostname, describe, settings().stop_grace_s)
    made.start()

    @signals.worker_shutting_down.connect(weak=False)
    def _stop(**_: object) -> None:
        made.stop()

    return made


def _gate(consumer: Any) -> Gate:  # noqa: ANN401  ours: it has one
    gate: Gate = consumer.gate
    return gate


def _active(request: Request) -> ActiveTask:
    stage = STAGE_TASKS.get(request.name, "")
    since = datetime.fromtimestamp(request.time_start or time.time(), UTC)
    return ActiveTask(task_id=request.id, job_id=request.job_id, stage=stage, since=since)


def _reclaim(stage: StageName) -> None:
    if settings().worker_is_alone:
        try:
            if taken_back := reclaim(client(), LANES[stage]):
                log.warning("worker.messages.reclaimed", messages=taken_back)
        except redis.RedisError as exc:  # their leases will run out
            log.warning("worker.reclaim.failed", error=type(exc).__name__)


def _announce(folders: Mapping[str, Sequence[str]]) -> None:
    try:
        with engine.writing() as connection:
            for folder, names in folders.items():
                plugins.announce(connection, folder, names)
    except Infrastructure as exc:
        log.warning("worker.announce.failed", error=exc.message)
    finally:
        engine.engine().dispose()
