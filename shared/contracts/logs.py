"""Log lines of a job, as they are kept and as they are shown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from shared.contracts.job import Contract

MAX_LINES = 2000  # of one job that are kept: three quarters of them the first, the others the last
MAX_LINE = 4096  # bytes of the values of one line


class LogLevel(StrEnum):
    """How bad a line is; each includes those after it when it is asked for."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LineRecord(Contract):
    """One line that a process wrote of a job. at_ns: unix time.  fields: what else it says.  exception: a traceback."""

    at_ns: int
    level: LogLevel
    event: str
    stage: str = ""
    attempt: int = 0
    trace_id: str = ""
    fields: dict[str, Any] = {}
    exception: str = ""


class LogLine(Contract):
    """A line of a job's log. id: its place, to be given as `after`.  service, process (`host:pid`): whose it is.

    Where lines were left out there is one in their place, `log.left_out`, whose field `lines` says how many.
    """

    id: str
    at: datetime
    level: LogLevel
    event: str
    stage: str = ""
    attempt: int = 0
    service: str
    process: str
    trace_id: str = ""
    fields: dict[str, Any] = {}
    exception: str = ""


class JobLog(Contract):
    """Lines of a job's log, as they came in. after: continue there.  is_over: of the job, with these the last lines."""

    items: list[LogLine]
    after: str = ""
    is_over: bool = False
