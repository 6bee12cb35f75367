"""What a worker's main process does every second: looks at its children, says that it lives, heeds cancellations.

Redis is spoken to by a thread: the loop, which begins and ends tasks, must not wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
import structlog
from celery.worker import state

from shared.broker import children, flags, presence
from shared.broker.client import client
from shared.broker.presence import WorkerRecord
from shared.broker.request import Request

log = structlog.get_logger()

EVERY_S = 1.0
CANCEL_GRACE_S = 5.0  # for a stage to notice by itself that its job is cancelled


class Watch:
    """One per worker. `look` belongs into its loop.

    describe: makes the record of this worker, given what runs.  stop_grace_s: what running tasks get to end.
    """

    def __init__(
        self, hostname: str, describe: Callable[[Sequence[Request]], WorkerRecord], stop_grace_s: float
    ) -> None:
        self._hostname = hostname
        self._describe = describe
        self._stop_grace_s = stop_grace_s
        self._stop_at: float | None = None  # monotonic
        self._record: WorkerRecord | None = None
        self._written = 0.0  # monotonic
        self._jobs: list[str] = []
        self._flagged: dict[str, float] = {}  # job id -> since when we know that it is to stop, monotonic
        self._woken = threading.Event()
        self._has_ended = False
        self._is_away = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """Look at what runs; put back what is cancelled or, when the worker stops, has used up its grace."""
        running: list[Any] = list(state.active_requests)
        children.sample(request.worker_pid for request in running if request.worker_pid)
        record = self._describe(running)
        self._record = record if self._stop_at is None else record.model_copy(update={"queues": []})
        self._jobs = [request.job_id for request in running if request.job_id]
        now = time.monotonic()
        for request in running:
            if self._stop_at is not None and now >= self._stop_at:
                request.withdraw("the worker stops")
            elif now - self._flagged.get(request.job_id, now) >= CANCEL_GRACE_S:
                request.withdraw("its job is cancelled")
        self._woken.set()

    def stop(self) -> None:
        """Note that the worker was told to stop: from now on running tasks have their grace."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._stop_grace_s

    def end(self) -> None:
        """Take the worker's record away. Waits for Redis a second at most."""
        self._has_ended = True
        self._woken.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._has_ended:
            self._woken.wait()
            self._woken.clear()
            self._try()

    def _try(self) -> None:
        try:
            if self._has_ended:
                presence.remove(client(), self._hostname)
            else:
                self._speak()
        except (redis.RedisError, OSError) as exc:
            if not self._is_away:
                log.warning("worker.watch.away", error=type(exc).__name__)
            self._is_away = True
        else:
            self._is_away = False

    def _speak(self) -> None:
        cancelled = flags.flagged(client(), self._jobs)
        since = time.monotonic()
        self._flagged = {job_id: self._flagged.get(job_id, since) for job_id in cancelled}
        record, self._record = self._record, None
        if record is not None and since - self._written >= presence.EVERY_S * 0.9:
            presence.write(client(), record)
            self._written = since
