"""Traces over HTTP: where the time of jobs went."""

from __future__ import annotations

from shared.contracts.trace import Trace, TraceFormat
from vedette.client.http import MAX_ANSWER, Http, given, path


class Traces:
    """What the client can do with traces."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def of_job(self, job_id: str, *, run: int | None = None, is_grouped: bool = True) -> Trace:
        """Return the trace of a job, that of its last run without `run`. is_grouped: equal siblings are in one row."""
        return self._http.ask(
            Trace, "GET", path("jobs", job_id, "trace"), params=given(format=_form(is_grouped), run=run)
        )

    def get(self, trace_id: str, *, is_grouped: bool = True) -> Trace:
        """Return a trace with all of its jobs."""
        return self._http.ask(Trace, "GET", path("traces", trace_id), params=given(format=_form(is_grouped)))

    def otlp_of_job(self, job_id: str, *, run: int | None = None) -> bytes:
        """Return the trace of a job as OTLP/JSON."""
        return self._otlp(path("jobs", job_id, "trace"), run)

    def otlp(self, trace_id: str) -> bytes:
        """Return a trace as OTLP/JSON."""
        return self._otlp(path("traces", trace_id))

    def _otlp(self, place: str, run: int | None = None) -> bytes:
        _, body = self._http.fetch("GET", place, MAX_ANSWER, params=given(format=TraceFormat.OTLP, run=run))
        return body


def _form(is_grouped: bool) -> TraceFormat:
    return TraceFormat.TREE if is_grouped else TraceFormat.SPANS
