"""A spool, and a tracer whose spans end in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from shared.spool import Spool


@pytest.fixture
def spooled() -> Iterator[Spool]:
    made = Spool("scan")
    yield made
    made.shutdown()


@pytest.fixture
def tracer(spooled: Spool) -> trace.Tracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(spooled)
    return provider.get_tracer("tests")
