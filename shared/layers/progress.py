"""How far a stage is: to the bus a few times a second, to the store about once a second. And whether it is to stop."""

from __future__ import annotations

import time
from contextlib import suppress

import redis
import structlog

from shared import bus
from shared.broker import flags
from shared.broker.client import client
from shared.contracts.events import Event, EventType
from shared.contracts.job import Progress
from shared.errors import Conflict
from shared.ids import now
from shared.store import ledger
from shared.store.engine import Connection, DatabaseAway, reading, writing
from shared.store.ledger import Key, Taken

log = structlog.get_logger()

TELL_EVERY_S = 0.2  # a bar that moves five times a second looks alive
KEEP_EVERY_S = 1.0  # a write that a busy SQLite can bear
LOOK_EVERY_S = 0.5  # for the flag that says stop
AWAY_S = 5.0  # a broker that does not answer takes a second each time


class Cancelled(Conflict):
    """Somebody cancelled the job while its stage ran. That is no failure, and never tried again."""


class Meter:
    """Throttles the progress of one step."""

    def __init__(self, taken: Taken | None = None) -> None:
        self._taken = taken
        self._told = 0.0
        self._looked = 0.0
        self._kept = time.monotonic()

    def tell(self, so_far: Progress) -> None:
        """Publish and keep `so_far`, unless that was done just now. Raises Superseded and Cancelled."""
        at = time.monotonic()
        if self._taken is None:
            return
        if at - self._looked >= LOOK_EVERY_S:
            self._looked = at
            self._look(self._taken.key)
        if at - self._told >= TELL_EVERY_S:
            self._told = at
            bus.publish([_event(self._taken, so_far)])
            if at - self._kept >= KEEP_EVERY_S:
                self._kept = at
                _keep(self._taken, so_far)

    def _look(self, key: Key) -> None:
        """Raise Cancelled if the flag says so and the store agrees: a flag may be left from an earlier run."""
        try:
            is_flagged = bool(flags.flagged(client(), [key.job_id]))
        except (redis.RedisError, OSError):
            self._looked += AWAY_S  # meanwhile the store says it, when progress is kept
            return
        if is_flagged:
            with suppress(DatabaseAway), reading(key.org_id) as connection:
                _check(connection, key.job_id)


def _check(connection: Connection, job_id: str) -> None:
    if ledger.is_cancelled(connection, job_id):
        raise Cancelled(f"Job {job_id} was cancelled.")


def _keep(taken: Taken, so_far: Progress) -> None:
    try:
        with writing(taken.key.org_id) as connection:
            ledger.progress(connection, taken, so_far)
            _check(connection, taken.key.job_id)
    except DatabaseAway as exc:  # no reason to give a scan up: its end will be written when the store is back
        log.warning("stage.progress.unkept", message=exc.message)


def _event(taken: Taken, so_far: Progress) -> Event:
    key = taken.key
    return Event(
        type=EventType.STAGE_PROGRESSED,
        at=now(),
        org_id=key.org_id,
        job_id=key.job_id,
        stage=key.stage,
        part=key.part,
        data=so_far.model_dump(mode="json"),
    )
