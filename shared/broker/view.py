"""The broker at one moment: depth, pauses and workers, from one look with short time-outs. An absent one is a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.broker import presence
from shared.broker.client import BrokerAway, answering
from shared.broker.depth import QueueDepth, snapshot
from shared.broker.presence import WorkerRecord


@dataclass(frozen=True)
class BrokerView:
    """live, lost, left: workers that are there, that fell silent, and that took leave lately.

    is_down: the broker does not answer, and nothing else is known.
    """

    lanes: Mapping[str, QueueDepth] = field(default_factory=dict)
    live: Sequence[WorkerRecord] = ()
    lost: Sequence[WorkerRecord] = ()
    left: Sequence[WorkerRecord] = ()
    is_down: bool = False

    def depth(self, lane: str) -> QueueDepth:
        return self.lanes.get(lane) or QueueDepth(lane, {})

    def consumers(self, lane: str) -> list[WorkerRecord]:
        """Return the workers that take from a lane."""
        return [worker for worker in self.live if lane in worker.queues]

    def last_seen(self, lane: str) -> datetime | None:
        """Return when a worker that took from this lane, and does not any more, was last heard of."""
        gone = [*self.lost, *self.left]
        return max((worker.seen_at for worker in gone if lane in worker.queues), default=None)

    def slots(self, lane: str) -> int:
        return sum(worker.concurrency for worker in self.consumers(lane))

    def free(self, lane: str) -> int:
        """Return how many tasks of a lane could begin at once."""
        return sum(max(worker.concurrency - worker.busy, 0) for worker in self.consumers(lane))

    def holder(self, task_id: str) -> WorkerRecord | None:
        """Return the worker that says it is at this task."""
        return next((w for w in self.live if any(task.task_id == task_id for task in w.active)), None)


def look() -> BrokerView:
    """Look at the broker."""
    try:
        with answering() as client:
            lanes = snapshot(client).lanes
            return BrokerView(lanes, presence.live(client), presence.lost(client), presence.left(client))
    except BrokerAway:
        return BrokerView(is_down=True)
