"""How queues and workers are, looked at once per gateway for all who watch.

Each change has a number. Watchers keep the number that they saw, so that a slow one gets what changed since, at once,
and nothing waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from pydantic import BaseModel

from gateway import pressure, queues
from shared.broker.client import BrokerAway
from shared.contracts.alert import AlertState
from shared.contracts.lanes import ALL_LANES
from shared.contracts.live import ServiceNow, SystemNow
from shared.contracts.queues import QueueList, QueueView, WorkerView
from shared.store import alerts, dead_letters
from shared.store.engine import DatabaseAway, reading

MOST_ALARMS = 10
AGE_STEP_S = 5.0  # the age of the oldest message grows all the time; it is news in steps
View = TypeVar("View", bound=BaseModel)


class Board(Generic[View]):
    """Views by name, each with the number of its last change."""

    def __init__(self) -> None:
        self._views: dict[str, tuple[int, View, object]] = {}

    def put(self, number: int, name: str, view: View, same_while: object) -> bool:
        """Show `view`; return whether it is a change, which it is if `same_while` is another than before."""
        before = self._views.get(name)
        is_change = before is None or before[2] != same_while
        self._views[name] = (number if before is None or is_change else before[0], view, same_while)
        return is_change

    def since(self, number: int, names: Iterable[str]) -> list[View]:
        """Return those of `names` that changed after a number, all for -1."""
        found = [self._views[name] for name in names if name in self._views]
        return [view for changed, view, _ in found if changed > number]


class Boards:
    """What was seen at the look `number`."""

    def __init__(self) -> None:
        self.number = 0
        self.queues: Board[QueueView] = Board()
        self.systems: Board[SystemNow] = Board()

    def look(self, orgs: Iterable[str], *, bus_answers: bool) -> None:
        """Look again, also at the dead letters of `orgs`; a change has the next number. Nothing away is an error."""
        number = self.number + 1
        fleet, broker_answers = _fleet()
        changes = [self.queues.put(number, view.name, view, _still(view)) for view in _queues(broker_answers)]
        for org_id in orgs:
            seen = SystemNow(
                services=_services(fleet),
                broker_answers=broker_answers,
                broker=pressure.view(),
                bus_answers=bus_answers,
                dead_letters=_letters(org_id),
                alarms=_alarms(org_id, broker_answers=broker_answers, bus_answers=bus_answers),
            )
            changes.append(self.systems.put(number, org_id, seen, seen.model_dump(exclude={"broker"})))
        if any(changes) or not self.number:
            self.number = number

    def queues_since(self, number: int) -> QueueList | None:
        """Return the queues that changed after a number, all for -1; None if none did."""
        found = self.queues.since(number, ALL_LANES)
        return QueueList(items=found, memory=pressure.view()) if found or number < 0 else None

    def system_since(self, number: int, org_id: str) -> SystemNow | None:
        """Return how the installation is for an organisation if that changed after a number, in any case for -1."""
        return next(iter(self.systems.since(number, [org_id])), None)


def _fleet() -> tuple[list[WorkerView], bool]:
    try:
        return queues.workers(), True
    except BrokerAway:
        return [], False


def _queues(broker_answers: bool) -> list[QueueView]:
    try:
        return queues.views() if broker_answers else []
    except BrokerAway:
        return []


def _letters(org_id: str) -> int:
    try:
        with reading(org_id) as connection:
            return dead_letters.waiting(connection, org_id)
    except DatabaseAway:
        return 0


def _still(view: QueueView) -> object:
    age = None if view.oldest_age_s is None else view.oldest_age_s // AGE_STEP_S
    return view.model_copy(update={"oldest_age_s": age})


def _services(fleet: Sequence[WorkerView]) -> dict[str, ServiceNow]:
    found: dict[str, list[WorkerView]] = {}
    for worker in fleet:
        found.setdefault(worker.service, []).append(worker)
    return {
        service: ServiceNow(
            workers=len(its), slots=sum(each.concurrency for each in its), busy=sum(each.busy for each in its)
        )
        for service, its in sorted(found.items())
    }


def _alarms(org_id: str, *, broker_answers: bool, bus_answers: bool) -> list[str]:
    away = "" if broker_answers else "The broker does not answer: jobs wait in the database."
    silent = "" if bus_answers else "The bus does not answer: updates come some seconds late."
    return [alarm for alarm in (away, silent, pressure.view().alarm, *_firing(org_id)) if alarm]


def _firing(org_id: str) -> list[str]:
    """Return the alerts that are open, which are of the whole installation, in a line each."""
    try:
        with reading(org_id) as connection:
            found = alerts.page(connection, state=AlertState.FIRING, limit=MOST_ALARMS)
    except DatabaseAway:
        return []
    return [each.summary for each in found]
