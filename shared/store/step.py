"""One step of a job: which it is, who has it, and how it reads in the timeline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.events import Event, EventType
from shared.contracts.job import Failure, StageName, StepState
from shared.errors import Conflict, NotFound
from shared.store.timeline import Fact

STAGES = tuple(StageName)
DONE = frozenset({StepState.SUCCEEDED, StepState.SKIPPED})
OVER = DONE | {StepState.FAILED, StepState.CANCELLED}


class StepUnknown(NotFound):
    """The message names a job or step that is not in the ledger."""


class StepHeld(Conflict):
    """Another message has the step; `tag` is its delivery tag. Whether anybody works on that one, the broker knows."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"The step is in the hands of whoever has the message {tag}.")
        self.tag = tag


class Superseded(Conflict):
    """Another delivery took the step meanwhile; what this one did is rolled back."""


@dataclass(frozen=True)
class Key:
    """Which step. `run` is that of the message: the ledger gives nothing to a message of an earlier run."""

    job_id: str
    org_id: str
    stage: StageName
    part: str = ""
    run: int = 1

    def fact(self, kind: EventType, data: dict[str, Any] | None = None) -> Fact:
        return Fact(self.org_id, self.job_id, kind, self.stage, self.part, data or {})


@dataclass(frozen=True)
class Taken:
    """A step in somebody's hands. `state` is what it was before: a step that is over must not be run again.

    retries: attempts that failed and were put off.  lost: deliveries whose worker died before their end.
    """

    key: Key
    delivery: str
    attempt: int
    state: StepState
    retries: int = 0
    lost: int = 0
    failure: Failure | None = None
    events: Sequence[Event] = ()
    began: float = field(default_factory=time.monotonic, compare=False)

    @property
    def ran_s(self) -> float:
        """How long it has been in these hands, in seconds."""
        return round(time.monotonic() - self.began, 4)

    @property
    def is_over(self) -> bool:
        return self.state in OVER
