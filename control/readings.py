"""What is measured of the installation every few seconds, to be judged by `shared.alerting`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import timedelta

from shared.alerting import Bound, Reading
from shared.broker import refusals
from shared.broker.view import BrokerView
from shared.contracts.alert import AlertRule, AlertSeverity
from shared.contracts.job import JobState
from shared.contracts.lanes import ALL_LANES, STAGE_OF
from shared.settings import Settings
from shared.store import signs
from shared.store.engine import Connection
from shared.text import spell

LATELY = timedelta(minutes=15)
_BAD = (JobState.FAILED, JobState.DEAD)


def bounds(chosen: Settings) -> Mapping[AlertRule, Bound]:
    """Return when each rule fires, and when it is over."""
    hold, calm, letters = chosen.alert_hold_s, chosen.alert_calm_s, chosen.alert_dead_letters_count
    critical = AlertSeverity.CRITICAL
    return {
        AlertRule.NO_CONSUMER: Bound(1, 0, hold, calm, critical),
        AlertRule.WORKER_LOST: Bound(1, 0, 0, calm),
        AlertRule.QUEUE_TOO_OLD: Bound(chosen.alert_queue_age_s, chosen.alert_queue_age_s / 2, 0, calm),
        AlertRule.STAGE_SLOW: Bound(chosen.alert_stage_s, chosen.alert_stage_s * 0.8, hold, calm),
        AlertRule.FAILURE_RATE: Bound(chosen.alert_failure_ratio, chosen.alert_failure_ratio / 2, hold, calm, critical),
        AlertRule.DEAD_LETTERS_GROWING: Bound(letters, letters / 2, 0, calm),
        AlertRule.SIGNATURE_FAILURES: Bound(1, 0, 0, calm, critical),
        AlertRule.SCHEDULER_STOPPED: Bound(1, 0, 0, 0, critical),
    }


def of_broker(view: BrokerView) -> Iterator[Reading]:
    """Yield what queues and workers are like; nothing while the broker is away, which others tell."""
    if view.is_down:
        return
    for lane in ALL_LANES:
        depth = view.depth(lane)
        alone = depth.total > 0 and not view.consumers(lane) and depth.paused is None
        said = f"Nobody takes from the queue {lane}, in which {depth.total} messages wait."
        cure = f"Start a worker of {STAGE_OF[lane]}; see vedette workers list"
        yield Reading(AlertRule.NO_CONSUMER, lane, float(alone), said, cure)
        age_s = 0.0 if depth.paused else depth.oldest_age_s or 0.0
        said = f"The oldest message in the queue {lane} has waited for {spell(age_s)}."
        yield Reading(AlertRule.QUEUE_TOO_OLD, lane, round(age_s, 1), said, "Add workers: vedette queues list")
    for worker in view.lost:
        said = f"The worker {worker.hostname} fell silent without taking leave."
        cure = "See its log and its machine: vedette workers list"
        yield Reading(AlertRule.WORKER_LOST, worker.hostname, 1.0, said, cure)


def of_jobs(connection: Connection, least: int) -> Iterator[Reading]:
    """Yield how jobs ended lately. least: of fewer jobs no share is told."""
    counts = signs.ended(connection, LATELY)
    total, bad = sum(counts.values()), sum(counts.get(state, 0) for state in _BAD)
    share = bad / total if total >= least else 0.0
    said = f"{bad} of {total} jobs that ended in the last quarter of an hour failed."
    yield Reading(AlertRule.FAILURE_RATE, "jobs", round(share, 3), said, "See why: vedette dlq list --group")
    grown = signs.buried(connection, LATELY)
    said = f"{grown} dead letters came in during the last quarter of an hour."
    yield Reading(AlertRule.DEAD_LETTERS_GROWING, "dead letters", grown, said, "See them: vedette dlq list --group")


def of_stages(connection: Connection) -> Iterator[Reading]:
    """Yield how long the slowest twentieth of each stage's runs took that ended lately."""
    for stage, took in signs.runs(connection, LATELY).items():
        slow_s = sorted(took)[int(len(took) * 0.95)] if took else 0.0
        said = f"One in twenty runs of {stage} takes {spell(slow_s)} or longer."
        yield Reading(AlertRule.STAGE_SLOW, stage, round(slow_s, 1), said, "See where time goes: vedette jobs trace")


class Forgeries:
    """How many messages and events could not be verified lately: the counters only grow."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def readings(self, at_s: float) -> Iterator[Reading]:
        """Yield how much the counters grew in the time that counts. Raises BrokerAway."""
        total = sum(refusals.counts().values())
        self._seen.append((at_s, total))
        while at_s - self._seen[0][0] > LATELY.total_seconds():
            self._seen.popleft()
        grown = max(0, total - min(number for _, number in self._seen))
        said = f"{grown} messages or events could not be verified in the last quarter of an hour."
        cure = "Somebody writes into Redis, or a master key was dropped too early: vedette dlq list --class security"
        yield Reading(AlertRule.SIGNATURE_FAILURES, "messages", grown, said, cure)
