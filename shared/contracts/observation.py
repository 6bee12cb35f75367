"""What a scanner saw, and what it could not see. Raw evidence rides along, so that rules can be run again later."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.contracts.job import Contract

MAX_EVIDENCE = 4096  # characters of one piece of raw evidence; enough for a banner or an HTTP head


class Evidence(Contract):
    """Raw bytes as they came from the target, made printable. `source` says how they were got ("banner", "GET /")."""

    source: str
    text: str = Field(max_length=MAX_EVIDENCE)
    truncated: bool = False


class Observation(Contract):
    """One fact about one subject. `type` names the model of `data` in `contracts/kinds/<kind>.py`."""

    type: str
    subject: str
    data: dict[str, Any]
    evidence: list[Evidence] = []
    observed_at: datetime


class GapReason(StrEnum):
    """Why something was not checked."""

    FILTERED = "filtered"
    TIMEOUT = "timeout"
    CAP_REACHED = "cap_reached"
    UNSUPPORTED = "unsupported"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    ERROR = "error"


class Gap(Contract):
    """Something that was asked for and could not be checked. `count` things of `subject`, e.g. 37 ports."""

    subject: str
    reason: GapReason
    count: int = Field(default=1, ge=1)
    detail: str = ""


class Coverage(Contract):
    """How much of what was asked was checked. `asked` = `checked` + the sum of the gaps' counts of the same unit."""

    asked: int = 0
    checked: int = 0
    unit: str = "ports"
    gaps: list[Gap] = []
