"""What a scanner does, as spans with OpenTelemetry's attributes: a few for each target, whatever it has open.

What a peer is asked in vain is no failure: these spans are of work, not of its outcome.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from shared import telemetry
from shared.layers.work import ADDRESS, work
from shared.telemetry.attributes import Attributes

MOST_PORTS = 50  # of one job that are told of one by one; a tarpit has 65535 open

PORT, TRANSPORT, PROTOCOL = "server.port", "network.transport", "network.protocol.name"
Said = dict[str, str | int | bool]
_TCP: Mapping[str, str] = {TRANSPORT: "tcp"}


def resolving(host: str) -> AbstractContextManager[trace.Span]:
    """The span of asking for the addresses of a name; an address stands for itself, in the span that there is."""
    with suppress(ValueError):
        ipaddress.ip_address(host)
        return trace.use_span(trace.get_current_span())
    return work("resolve name", {"dns.question.name": host, ADDRESS: host}, kind=SpanKind.CLIENT)


def sweeping(host: str, group: str, ports: int) -> AbstractContextManager[trace.Span]:
    """The span of knocking at one group of ports, at all addresses."""
    return work(
        f"sweep {group}",
        {"vedette.ports.group": group, ADDRESS: host, **_TCP, "vedette.ports.asked": ports},
        kind=SpanKind.CLIENT,
    )


def identifying(host: str, ports: int) -> AbstractContextManager[trace.Span]:
    """The span of finding out what answers on the open ports."""
    untold = {"vedette.ports.untold": ports - MOST_PORTS} if ports > MOST_PORTS else {}
    return work("identify services", {ADDRESS: host, "vedette.ports.open": ports, **untold})


@dataclass
class Conversations:
    """The spans of what is said to the open ports of one host, of the first `MOST_PORTS` of them."""

    begun: int = 0

    def next(self, address: str, port: int) -> AbstractContextManager[trace.Span]:
        """The span of what is said to one port; for one too many none, and nothing inside of it."""
        self.begun += 1
        if self.begun > MOST_PORTS:
            return trace.use_span(trace.INVALID_SPAN)
        return work("identify port", {ADDRESS: address, PORT: port, **_TCP}, kind=SpanKind.CLIENT)


@contextmanager
def within(name: str, address: str, port: int) -> Iterator[Said]:
    """A span of the block inside that of a port, if there is one; what is put into the attributes given is said."""
    attributes: Said = {}
    began = time.time()
    try:
        yield attributes
    finally:
        if attributes and trace.get_current_span().get_span_context().is_valid:
            said: Attributes = {ADDRESS: address, PORT: port, **_TCP, **attributes}
            telemetry.past(name, began, time.time(), said)
