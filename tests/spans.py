"""The spans that a block makes in this process, as the SDK gives them to whoever sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor


class _Catcher(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@contextmanager
def caught() -> Iterator[list[ReadableSpan]]:
    """The spans that end in the block, in the order of their ends."""
    active: Any = trace.get_tracer_provider()._active_span_processor  # type: ignore[attr-defined]  the SDK's
    catcher = _Catcher()
    active.add_span_processor(catcher)
    try:
        yield catcher.spans
    finally:
        active._span_processors = tuple(each for each in active._span_processors if each is not catcher)


def tree(spans: list[ReadableSpan]) -> dict[str, str]:
    """By name, the name of the parent of each span; empty where that is not among them."""
    names = {span.context.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent.span_id, "") if span.parent else "" for span in spans}
