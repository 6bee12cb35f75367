"""Operations: work on many things that takes a while, can be paused and stopped, and says how far it is."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, field_serializer, model_validator

from shared.contracts.job import Contract, Written
from shared.redaction import veiled

MAX_IDS = 1000  # things named one by one in one request


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

    @field_serializer("params")
    def _shown(self, params: dict[str, Any]) -> dict[str, Any]:
        """Whoever looks at an operation sees no secret of a destination; whoever works it off has it whole."""
        shown: dict[str, Any] = veiled(params)
        return shown


class BulkCancel(Written):
    """Which jobs to cancel: by ids, by query, or a batch. Exactly one of them. Those that are over are passed over.

    expect: how many they are; another number is refused.  dry_run: only say how many.
    """

    ids: list[str] = Field(default=[], max_length=MAX_IDS)
    q: str | None = Field(default=None, max_length=1000)
    batch_id: str | None = Field(default=None, max_length=36)
    expect: int | None = Field(default=None, ge=0)
    dry_run: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum((bool(self.ids), self.q is not None, self.batch_id is not None)) != 1:
            raise ValueError("give exactly one of `ids`, `q` and `batch_id`")
        return self
