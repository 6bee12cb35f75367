"""What the attributes of a span may say of a URL: no values of its query, nothing that looks like a secret in its path.

The web framework writes both as the client sent them, before anybody else sees the span.
"""

from __future__ import annotations

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.trace import SpanKind

from shared.telemetry.lines import beginning

LONGEST = 500  # characters


class Addresses(SpanProcessor):
    """Takes the secrets out of the URL of each request's span that begins."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        del parent_context
        if span.kind is not SpanKind.SERVER:
            return
        said = span.attributes or {}
        if query := said.get("url.query"):
            span.set_attribute("url.query", beginning(f"?{query}", LONGEST)[1:])
        if path := said.get("url.path"):
            span.set_attribute("url.path", beginning(str(path), LONGEST))
