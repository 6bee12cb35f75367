"""Queues as people see them, from one look at the broker: depth, pauses, and the workers that take from them."""

from __future__ import annotations

from collections.abc import Sequence

from shared.broker import presence
from shared.broker.client import answering
from shared.broker.depth import QueueDepth, snapshot
from shared.contracts.job import Priority
from shared.contracts.lanes import ALL_LANES, PRIORITIES, STAGE_OF
from shared.contracts.queues import Pause, QueueView, WorkerView
from shared.errors import NotFound

_NAMES: dict[int, Priority] = {number: name for name, number in PRIORITIES.items()}


class QueueNotFound(NotFound):
    """There is no queue of this name."""


def known(name: str) -> str:
    """Return `name`. Raises QueueNotFound."""
    if name not in STAGE_OF:
        raise QueueNotFound(f"There is no queue {name[:64]!r}.", cure=f"There is: {', '.join(ALL_LANES)}.")
    return name


def views(lanes: Sequence[str] = ALL_LANES) -> list[QueueView]:
    """Return the queues of these names. Raises BrokerAway."""
    with answering() as client:
        seen = snapshot(client, lanes)
        fleet = [record.view for record in presence.live(client)]
    return [_view(seen.lanes[lane], fleet) for lane in lanes]


def workers() -> list[WorkerView]:
    """Return the workers that are there. Raises BrokerAway."""
    with answering() as client:
        return [record.view for record in presence.live(client)]


def _view(depth: QueueDepth, fleet: Sequence[WorkerView]) -> QueueView:
    mine = [worker for worker in fleet if depth.name in worker.queues]
    paused = depth.paused
    return QueueView(
        name=depth.name,
        stage=STAGE_OF[depth.name],
        waiting=depth.total,
        by_priority={_NAMES[step]: count for step, count in depth.waiting.items() if count},
        unacknowledged=depth.unacknowledged,
        oldest_age_s=None if depth.oldest_age_s is None else round(depth.oldest_age_s, 3),
        consumers=len(mine),
        busy=sum(worker.busy for worker in mine),
        slots=sum(worker.concurrency for worker in mine),
        paused=Pause(by=paused.by, at=paused.since, reason=paused.reason) if paused else None,
    )
