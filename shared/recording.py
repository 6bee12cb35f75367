"""Where a process's spans go, and its lines about jobs: the product's own store, and any OTLP endpoint for spans."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from opentelemetry.sdk.trace import SpanProcessor

from shared import telemetry
from shared.settings import settings
from shared.spool import Spool
from shared.telemetry import otlp
from shared.telemetry.lines import LineKeeper

FLUSH_EVERY_S = 0.5  # of a process that has no better moment
END_S = 2.0  # for an endpoint that does not answer, when the process ends


class Recording:
    """The spans of this process, and its lines about jobs, from `begin` to `end`."""

    def __init__(self, spool: Spool, processors: Sequence[SpanProcessor] = ()) -> None:
        self._spool = spool
        self._processors = processors
        if settings().tracing:
            _listen(spool)

    def flush(self) -> None:
        """Send what the product's own store is to have, or have it sent soon; nobody waits for an answer."""
        self._spool.flush_seldom()

    def end(self) -> None:
        """Send what there is; an endpoint that does not answer is given up after `END_S`."""
        self._spool.flush()
        ending = [threading.Thread(target=each.shutdown, daemon=True) for each in self._processors]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join(END_S)


def begin(service: str, every_s: float | None = None) -> Recording:
    """Have this process make spans. Called once, after the last fork: it may start threads.

    every_s: flush so often; None: whoever calls this does.
    """
    spool = Spool(service, every_s)
    own: list[SpanProcessor] = [spool] if settings().tracing else []
    processors = [*own, *otlp.processors()]
    telemetry.begin(service, processors)
    return Recording(spool, processors)


def begin_lines(service: str) -> Recording:
    """Have this process keep its lines about jobs, and make no spans: it forks, and nothing may have a thread."""
    return Recording(Spool(service))


def _listen(spool: Spool) -> None:
    """Keep lines in `spool`, and no longer in that of the process that forked this one."""
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if not isinstance(each, LineKeeper)]
    root.addHandler(LineKeeper(spool.keep_line))
