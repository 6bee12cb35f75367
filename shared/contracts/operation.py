"""Operations: work on many things that takes a while, can be paused and stopped, and says how far it is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.contracts.job import Contract


class OperationKind(StrEnum):
    REPLAY = "dlq.replay"
    DISCARD = "dlq.discard"
    CANCEL = "jobs.cancel"


class OperationState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    CANARY = "canary"  # the first few are sent; it waits for their ends
    PAUSED = "paused"
    STOPPED = "stopped"  # by somebody, or by its own stop-at
    DONE = "done"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        return self in {OperationState.STOPPED, OperationState.DONE, OperationState.FAILED}


class Operation(Contract):
    """done: acted on.  skipped: somebody else had it, or it was refused.  succeeded, failed: how the acted-on ended."""

    id: str
    org_id: str
    kind: OperationKind
    state: OperationState
    params: dict[str, Any] = {}
    total: int = 0
    done: int = 0
    skipped: int = 0
    succeeded: int = 0
    failed: int = 0
    refused: dict[str, int] = {}
    note: str = ""
    created_by: str = ""
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
