"""What every worker process does around its tasks: logs, own queues by default, heart-beat, plugins announced.

`serve` is called by a service's `__init__`, so that `celery -A services.<name> worker` is all one needs to start it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis
import structlog
from celery import Celery, bootsteps, signals
from celery.worker.consumer import Consumer

from shared import bus, heartbeat, telemetry
from shared.broker.client import client
from shared.broker.reclaim import reclaim
from shared.contracts.job import StageName
from shared.contracts.lanes import LANES
from shared.errors import Infrastructure
from shared.queue import app
from shared.settings import settings
from shared.store import engine, plugins

log = structlog.get_logger()


def serve(stage: StageName, folders: Mapping[str, Sequence[str]]) -> Celery:
    """Return the app, made ready to be a worker of `stage`. `folders` are its plugins by folder, for the gateway."""

    class Alive(bootsteps.StartStopStep):
        """Beats from the worker's own loop, so that a loop that hangs is noticed."""

        requires = ("celery.worker.consumer.tasks:Tasks",)
        has_started = False

        def start(self, parent: Consumer) -> None:
            if not self.has_started:  # a consumer that reconnects still has tasks of its own running
                self.has_started = True
                _reclaim(stage)
            _announce(folders)
            heartbeat.beat(stage)
            parent.timer.call_repeatedly(heartbeat.EVERY_S, heartbeat.beat, (stage.value,))

    app.steps["consumer"].add(Alive)

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
        engine.forget()
        bus.forget()

    return app


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
