"""What a scan tells of itself: a few spans with OpenTelemetry's attributes, however much is open."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from services.scan import spans as module
from services.scan.kinds import Run
from services.scan.kinds.host import scan
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.policy import Reach
from shared.resolver import TargetUnresolvable
from tests.services.scan.farm import Ports
from tests.spans import caught, tree

pytestmark = pytest.mark.usefixtures("less_patience")


def spans_of(host: str, *ports: int) -> list[ReadableSpan]:
    how = Run(Profile.STANDARD, time.monotonic() + 30, within=Reach(private=True))
    with caught() as spans:
        asyncio.run(scan(Target(host=host, ports=",".join(map(str, ports))), how))
    return spans


def said(spans: list[ReadableSpan], name: str) -> dict[str, object]:
    return dict([span for span in spans if span.name == name][-1].attributes or {})


def test_a_scan_is_told_from_its_name_to_its_page(nginx: Ports) -> None:
    spans = spans_of("localhost", nginx["https"])
    group = next(span.name for span in spans if span.name.startswith("sweep"))
    assert tree(spans) == {
        "resolve name": "",
        group: "",
        "identify services": "",
        "identify port": "identify services",
        "TLS handshakes": "identify port",
        "GET": "identify port",
    }
    assert said(spans, "resolve name")["dns.question.name"] == "localhost"
    assert {key: said(spans, group)[key] for key in ("server.address", "network.transport", "vedette.ports.asked")} == {
        "server.address": "localhost",
        "network.transport": "tcp",
        "vedette.ports.asked": 1,
    }
    port = said(spans, "identify port")
    assert (port["server.port"], port["network.protocol.name"]) == (nginx["https"], "http")
    tls, page = said(spans, "TLS handshakes"), said(spans, "GET")
    assert (tls["tls.established"], tls["tls.protocol.name"]) == (True, "tls")
    assert str(tls["tls.protocol.version"]) in {"1.2", "1.3"}
    assert (page["http.request.method"], page["http.response.status_code"], page["url.scheme"]) == (
        "GET",
        200,
        "https",
    )


def test_what_a_peer_is_asked_in_vain_is_no_failure(redis: Ports) -> None:
    spans = spans_of("127.0.0.1", redis["plain"])
    assert said(spans, "identify port")["network.protocol.name"] == "redis"
    assert all(span.status.is_ok or span.status.is_unset for span in spans)
    assert "GET" not in {span.name for span in spans}


def test_of_many_open_ports_only_the_first_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PORTS", 3)
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64)) for _ in range(8)]
        spans = spans_of("127.0.0.1", *(each.getsockname()[1] for each in opened))
    names = Counter(span.name for span in spans)
    assert names["identify port"] == 3
    assert said(spans, "identify services")["vedette.ports.untold"] == 5
    assert {parent for name, parent in tree(spans).items() if name == "TLS handshakes"} <= {"identify port"}
    assert names["TLS handshakes"] <= 3


def test_a_name_that_nobody_knows_fails_in_a_span_of_its_own() -> None:
    with caught() as spans, pytest.raises(TargetUnresolvable):
        asyncio.run(scan(Target(host="nowhere.invalid", ports="1"), Run(Profile.STANDARD, time.monotonic() + 30)))
    [span] = spans
    assert (span.name, said(spans, "resolve name")["vedette.error.class"]) == ("resolve name", "permanent")
