"""Alerts: what is wrong with the installation, since when, and what to do about it. They name no target."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from shared.contracts.job import Contract, Written


class AlertRule(StrEnum):
    """What is watched."""

    NO_CONSUMER = "no_consumer"
    QUEUE_TOO_OLD = "queue_too_old"
    WORKER_LOST = "worker_lost"
    STAGE_SLOW = "stage_slow"
    FAILURE_RATE = "failure_rate"
    DEAD_LETTERS_GROWING = "dead_letters_growing"
    SIGNATURE_FAILURES = "signature_failures"
    SCHEDULER_STOPPED = "scheduler_stopped"


class AlertSeverity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class AlertView(Contract):
    """One alert. subject: the queue, worker or stage, or `jobs`.  value: what was measured last; it fired at `bound`.

    acknowledged_by: who looks after it; nobody is reminded then. `operator`: somebody of another organisation.
    """

    id: str
    rule: AlertRule
    subject: str
    severity: AlertSeverity
    state: AlertState
    summary: str
    cure: str
    value: float
    bound: float
    opened_at: datetime
    seen_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""


class AlertNotice(Contract):
    """What people are told of an alert: that it fires, that it still does, or that it is over. `finished_at`: when."""

    type: Literal["alert.firing", "alert.reminder", "alert.resolved"]
    alert_id: str
    rule: AlertRule
    subject: str
    severity: AlertSeverity
    summary: str
    cure: str
    value: float
    bound: float
    opened_at: datetime
    finished_at: datetime


class Acknowledgement(Written):
    """Why nobody needs to be reminded, for those who wonder."""

    reason: str = Field(default="", max_length=500)
