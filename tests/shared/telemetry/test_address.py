"""A span says of a URL what it is about, and no secret in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

from shared import telemetry
from tests.spans import caught


@pytest.mark.parametrize(
    ("name", "given_", "shown"),
    [
        ("url.query", "q=state:failed&token=hunter2", "q=***&token=***"),
        ("url.query", "ticket=eyJhbGciOiJIUzI1NiJ9.e30.x", "ticket=***"),
        ("url.path", "/api/v1/invitations/vdi_abcdefgh_0123456789abcdef", "/api/v1/invitations/vdi_abcdefgh***"),
        ("url.path", "/api/v1/jobs/01a2157e-b655-7066-8d75-5e19f0b2d222", None),
    ],
)
def test_it_is_shown_without_its_secrets(name: str, given_: str, shown: str | None) -> None:
    with caught() as spans, telemetry.span("GET", {name: given_}, kind=SpanKind.SERVER):
        pass
    [span] = spans
    assert (span.attributes or {})[name] == (shown or given_)


@given(st.text())
def test_no_url_is_too_odd(text: str) -> None:
    with caught() as spans, telemetry.span("GET", {"url.query": text, "url.path": text}, kind=SpanKind.SERVER):
        pass
    assert len(spans) == 1
