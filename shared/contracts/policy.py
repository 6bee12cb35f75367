"""How often a class of failures is tried again: what holds, and what somebody chose instead."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.contracts.job import Contract, Written
from shared.errors import BackOff, FailureClass


class PolicyChange(Written):
    """retries: after the first attempt; null: until the job's deadline.

    base_s, cap_s: seconds of the first and of the longest wait.
    """

    retries: int | None = Field(ge=0, le=100)
    back_off: BackOff
    base_s: float = Field(default=2.0, ge=0.0, le=3600.0, allow_inf_nan=False)
    cap_s: float = Field(default=60.0, ge=0.0, le=3600.0, allow_inf_nan=False)


class PolicyView(Contract):
    """The policy of one class. retries: null means until the job's deadline.  is_default: nobody changed it."""

    failure_class: FailureClass
    retries: int | None
    back_off: BackOff
    base_s: float
    cap_s: float
    is_default: bool = True
    changed_by: str = ""
    changed_at: datetime | None = None
