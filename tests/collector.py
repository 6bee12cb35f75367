"""An OTLP collector: a real HTTP server on loopback that takes requests as the specification says."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wired
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Value = str | int | float | bool


@dataclass(frozen=True)
class Span:
    """One span as it came, ids in hex. process: `service.instance.id` of its resource."""

    trace_id: str
    id: str
    parent_id: str
    name: str
    began: int
    ended: int
    is_error: bool
    service: str
    process: str
    attributes: dict[str, Value]
    links: list[tuple[str, str]]


@dataclass
class Collector:
    port: int
    spans: list[Span] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in list(self.spans) if span.trace_id == trace_id]

    def of_job(self, job_id: str) -> list[list[Span]]:
        """The traces in which there is a span of a job, in the order of their first spans."""
        ids = {span.trace_id for span in list(self.spans) if span.attributes.get("vedette.job.id") == job_id}
        return sorted((self.trace(each) for each in ids), key=lambda trace: min(span.began for span in trace))

    def take(self, request: ExportTraceServiceRequest) -> None:
        for group in request.resource_spans:
            resource = _attributes(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [_span(span, resource) for span in scope.spans]


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """A collector for the block, on a free port where none is said."""
    server = ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler)
    made = Collector(int(server.server_address[1]))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
                self.send_error(400)
                return
            made.requests.append(dict(self.headers))
            made.take(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def _span(span: Wired, resource: dict[str, Value]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        service=str(resource["service.name"]),
        process=str(resource["service.instance.id"]),
        attributes=_attributes(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
    )


def _attributes(pairs: Iterator[KeyValue]) -> dict[str, Value]:
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in pairs}
