"""How far a stage is: to the bus a few times a second, to the store about once a second."""

from __future__ import annotations

import time

import structlog

from shared import bus
from shared.contracts.events import Event, EventType
from shared.contracts.job import Progress
from shared.ids import now
from shared.store import ledger
from shared.store.engine import DatabaseAway, writing
from shared.store.ledger import Taken

log = structlog.get_logger()

TELL_EVERY_S = 0.2  # a bar that moves five times a second looks alive
KEEP_EVERY_S = 1.0  # a write that a busy SQLite can bear


class Meter:
    """Throttles the progress of one step."""

    def __init__(self, taken: Taken | None = None) -> None:
        self._taken = taken
        self._told = 0.0
        self._kept = time.monotonic()

    def tell(self, so_far: Progress) -> None:
        """Publish and keep `so_far`, unless that was done just now. Raises Superseded."""
        at = time.monotonic()
        if self._taken is None or at - self._told < TELL_EVERY_S:
            return
        self._told = at
        key = self._taken.key
        data = so_far.model_dump(mode="json")
        bus.publish(
            [
                Event(
                    type=EventType.STAGE_PROGRESSED,
                    at=now(),
                    org_id=key.org_id,
                    job_id=key.job_id,
                    stage=key.stage,
                    data=data,
                )
            ]
        )
        if at - self._kept >= KEEP_EVERY_S:
            self._kept = at
            try:
                with writing() as connection:
                    ledger.progress(connection, self._taken, so_far)
            except DatabaseAway as exc:  # no reason to give a scan up: its end will be written when the store is back
                log.warning("stage.progress.unkept", message=exc.message)
