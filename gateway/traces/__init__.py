"""Traces as views draw them: what processes recorded, put right with what the ledger of steps knows."""

from __future__ import annotations

from gateway.traces import otlp
from gateway.traces.source import Source, TraceNotFound, of_job, of_trace
from gateway.traces.view import trace

__all__ = ["Source", "TraceNotFound", "of_job", "of_trace", "otlp", "trace"]
