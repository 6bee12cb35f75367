"""The stage inside its layers, on real stores: what policy keeps it from, and what stands in the audit of that."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from services.scan.tasks import look
from shared.contracts.audit import AuditEntry
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.contracts.kinds.host import Target
from shared.contracts.observation import Coverage, GapReason
from shared.contracts.scan_rule import Effect, NewScanRule
from shared.dlq import StageFailed
from shared.errors import FailureClass
from shared.layers import around
from shared.layers.delivery import Delivery
from shared.settings import settings
from shared.store import audit, evidence, scan_rules
from shared.store.engine import reading, writing
from shared.store.jobs import NewJob
from tests.services.scan.farm import Ports
from tests.shared.store.making import ORG, make, new_job

pytestmark = pytest.mark.usefixtures("database", "bus_url", "less_patience")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


def scanned(host: str, ports: str) -> str:
    """Run the stage for a job; return the job's id."""
    made = new_job(host)
    fields = {**made.__dict__, "target": Target(host=host, ports=ports)}
    [job_id] = make(NewJob(**fields))
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan")
    with around(StageName.SCAN, envelope, Delivery("w@h", 0, 30.0)) as step:
        look(envelope, step)
    return job_id


def rule(effect: str, what: str) -> str:
    with writing() as connection:
        return scan_rules.add(connection, ORG, NewScanRule(effect=Effect(effect), what=what), "ann").id


def lines() -> list[AuditEntry]:
    with reading() as connection:
        return audit.page(connection, ORG, limit=10, action="connection")


def covered(job_id: str) -> Coverage:
    with reading() as connection:
        return evidence.covered(connection, job_id)


def untouched(server: socket.socket) -> bool:
    with pytest.raises(BlockingIOError):
        server.accept()
    return True


def test_a_rule_made_after_the_submission_keeps_every_packet_back(listener: socket.socket) -> None:
    rule_id = rule("deny", "127.0.0.0/8")
    with pytest.raises(StageFailed) as caught:
        scanned("127.0.0.1", str(listener.getsockname()[1]))
    assert caught.value.failure_class is FailureClass.SECURITY
    assert untouched(listener)
    [line] = lines()
    assert (line.action, line.actor, line.subject[:4]) == ("connection.refused", "scan", "job:")
    assert (line.detail["rule"], line.detail["count"]) == (f"deny:{rule_id}", 1)


def test_closed_networks_stay_closed_for_a_scan(listener: socket.socket, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_PRIVATE_TARGETS", "false")
    settings.cache_clear()
    port = str(listener.getsockname()[1])
    with pytest.raises(StageFailed, match="closed here unless it is granted"):
        scanned("127.0.0.1", port)
    assert untouched(listener)
    rule("grant", "127.0.0.1")
    assert covered(scanned("127.0.0.1", port)).checked == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_the_installations_own_redis_is_not_scanned(
    redis: Ports, fresh_settings: pytest.MonkeyPatch, address: str
) -> None:
    port = redis["plain"]
    served = _connections(port)
    fresh_settings.setenv("VEDETTE_GATEWAY_PUBLIC_URL", f"http://127.0.0.1:{port}")  # as good as the broker's own URL
    settings.cache_clear()
    job_id = scanned(address, f"1,{port}")
    coverage = covered(job_id)
    refused = [gap for gap in coverage.gaps if gap.reason is GapReason.REFUSED]
    assert [(gap.count, gap.detail) for gap in refused] == [(1, f"of this installation itself, never scanned: {port}")]
    assert (coverage.asked, coverage.checked) == (2, 1)
    assert _connections(port) == served + 1  # that of asking
    [line] = lines()
    assert (line.subject, line.detail["rule"], line.detail["count"]) == (f"job:{job_id}", "own-service", 1)


def test_many_refused_ports_are_one_line(fresh_settings: pytest.MonkeyPatch) -> None:
    urls = {"SMTP_URL": "smtp://127.0.0.1:2525", "GATEWAY_PUBLIC_URL": "http://127.0.0.1:2526", "GATEWAY_PORT": "2527"}
    for name, value in urls.items():
        fresh_settings.setenv(f"VEDETTE_{name}", value)
    settings.cache_clear()
    scanned("127.0.0.1", "2520-2530")
    [line] = lines()
    assert (line.detail["rule"], line.detail["count"]) == ("own-service", 3)


def _connections(port: int) -> int:
    """Ask a Redis how many connections it has had."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(b"INFO stats\r\n")
        text = link.recv(65536).decode()
    return int(text.partition("total_connections_received:")[2].split()[0])
