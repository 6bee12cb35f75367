from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.scan.kinds import Result, Run, host
from services.scan.kinds.host import scan
from shared.contracts.job import Profile, Progress
from shared.contracts.kinds.host import FACTS, Target
from shared.contracts.observation import GapReason
from shared.contracts.ports import PortGroup
from shared.policy import Reach, TargetRefused
from shared.resolver import TargetUnresolvable
from tests.services.scan.alone import alone
from tests.services.scan.farm import Ports

Peer = Callable[..., int]
pytestmark = pytest.mark.usefixtures("less_patience")


class Cancelled(Exception):
    """What the caller's progress may raise."""


def scanned(ports: str, *, name: str = "127.0.0.1", seconds: float = 30.0, **given: object) -> Result:
    how = {"within": Reach(private=True), **given}
    run = Run(Profile.STANDARD, time.monotonic() + seconds, **how)  # type: ignore[arg-type]  # progress, within, refused
    return asyncio.run(scan(Target(host=name, ports=ports), run))


def comma(*ports: int) -> str:
    return ",".join(map(str, ports))


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def mute(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def test_a_host_is_its_ports_their_services_tls_and_pages(nginx: Ports, redis: Ports, closed_port: int) -> None:
    result = scanned(comma(nginx["https"], redis["plain"], closed_port))
    assert result.summary == "3 ports · 2 open"
    assert (result.coverage.asked, result.coverage.checked, result.coverage.gaps) == (3, 3, [])
    kinds = [o.type for o in result.observations]
    assert kinds[0] == "host"
    assert sorted(kinds[1:]) == ["http", "port", "port", "service", "service", "tls"]


def test_every_observation_is_of_the_model_of_its_type(nginx: Ports, exim: Ports) -> None:
    for observation in scanned(comma(*nginx.values(), *exim.values())).observations:
        FACTS[observation.type].model_validate(observation.data)
        assert observation.type in ("host", "port", "tls") or observation.evidence


def test_two_scans_give_the_same_order(nginx: Ports) -> None:
    ports = comma(*nginx.values())
    first, second = ([(o.type, o.subject) for o in scanned(ports).observations] for _ in range(2))
    assert first == second == sorted(first[:1]) + sorted(first[1:], key=lambda each: (each[1], each[0]))


def test_filtered_ports_are_one_gap_and_no_error(blackhole: int, closed_port: int) -> None:
    coverage = scanned(comma(blackhole, closed_port)).coverage
    assert (coverage.asked, coverage.checked) == (2, 1)
    gap = coverage.gaps[0]
    assert (gap.subject, gap.reason, gap.count) == ("tcp/127.0.0.1", GapReason.FILTERED, 1)
    assert gap.detail == f"no answer: {blackhole}"


def test_a_host_that_drops_everything_is_a_result(blackhole: int) -> None:
    result = scanned(comma(blackhole))
    assert result.summary == "1 port · 0 open"
    assert result.observations[0].data["answered"] == []


def test_a_host_without_a_route_is_unreachable() -> None:
    program = "from tests.services.scan.kinds.test_host import scanned; scanned('80,443', name='192.0.2.1')"
    done = alone("-c", program)
    assert "HostUnreachable" in done.stderr
    assert "192.0.2.1" in done.stderr


@pytest.mark.parametrize("others", [1, host.MAX_ADDRESSES + 1])
def test_one_address_that_is_never_scanned_keeps_every_packet_back(
    monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    found = [*(f"127.0.0.{i + 1}" for i in range(others)), "169.254.169.254"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in found])
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        with pytest.raises(TargetRefused, match=r"169\.254\.169\.254"):
            scanned(str(server.getsockname()[1]), name="rebound.invalid")
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_redirect_to_an_inner_service_is_noted_and_not_followed(peer: Peer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.settimeout(0)
        location = f"http://127.0.0.1:{inner.getsockname()[1]}/latest/meta-data/"

        async def moved(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()

        result = scanned(str(peer(moved)))
        [page] = [each.data for each in result.observations if each.type == "http"]
        assert (page["status"], page["redirects_to"]) == (302, location)
        with pytest.raises(BlockingIOError):
            inner.accept()


def test_a_scan_that_was_told_nothing_of_policy_reaches_the_internet_alone() -> None:
    with pytest.raises(TargetRefused, match="closed here"):
        scanned("80", within=Reach())


def test_addresses_beyond_the_cap_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [f"127.0.0.{i + 1}" for i in range(host.MAX_ADDRESSES + 5)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in found])
    result = scanned("40001,40002", name="many.invalid")
    facts, coverage = result.observations[0].data, result.coverage
    assert facts["addresses"] == found
    assert facts["answered"] == found[: host.MAX_ADDRESSES]
    [gap] = coverage.gaps
    assert (gap.subject, gap.reason, gap.count) == ("tcp/many.invalid", GapReason.CAP_REACHED, 10)
    assert gap.detail.startswith("5 addresses not scanned")
    assert "127.0.0.17, 127.0.0.18" in gap.detail
    assert coverage.asked == coverage.checked + gap.count == 2 * len(found)


def test_all_addresses_of_a_name_are_scanned(monkeypatch: pytest.MonkeyPatch, redis_locked: Ports) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (a, 0)) for a in ("127.0.0.1", "127.0.0.2")]
    )
    result = scanned(comma(redis_locked["plain"]), name="two.invalid")
    assert result.observations[0].data["addresses"] == ["127.0.0.1", "127.0.0.2"]
    assert result.coverage.asked == 2
    assert result.summary == "2 ports · 1 open"


def test_a_name_without_address_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "as asked")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(TargetUnresolvable):
        scanned("80", name="nowhere.invalid")


def test_progress_goes_through_the_groups_worst_first() -> None:
    seen: list[Progress] = []
    scanned("7,21,23,80,40001", progress=seen.append)
    sweep = [progress for progress in seen if progress.unit == "ports"]
    groups = list(dict.fromkeys(progress.current_group for progress in sweep))
    assert groups == [group.value for group in PortGroup]
    assert (sweep[-1].done, sweep[-1].total) == (5, 5)


def test_progress_goes_on_while_a_port_is_mute(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "TICK", 0.1)
    seen: list[Progress] = []
    scanned(comma(peer(mute)), seconds=3.0, progress=seen.append)
    services = [progress for progress in seen if progress.unit == "services"]
    assert [progress.done for progress in services].count(0) > 3
    assert (services[-1].done, services[-1].total) == (1, 1)
    assert {progress.note for progress in services} >= {
        "identifying services, for 0 s",
        "identifying services, for 1 s",
    }


@pytest.mark.parametrize("unit", ["ports", "services"])
def test_a_cancelled_job_ends_at_once_and_leaves_no_sockets(peer: Peer, unit: str) -> None:
    def cancel(progress: Progress) -> None:
        if progress.unit == unit:
            raise Cancelled

    quick = peer(_close)
    before = len(list(Path("/proc/self/fd").iterdir()))
    started = time.monotonic()
    with pytest.raises(Cancelled):
        scanned(comma(quick, peer(mute)), progress=cancel)
    assert time.monotonic() - started < 3
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 5  # the second peer's own


def test_the_deadline_ends_the_sweep_and_names_what_is_left(blackhole: int) -> None:
    started = time.monotonic()
    result = scanned(comma(blackhole), seconds=0.4)
    assert time.monotonic() - started < 1.0
    assert [gap.reason for gap in result.coverage.gaps] == [GapReason.CAP_REACHED]


def test_the_deadline_ends_the_identification(peer: Peer) -> None:
    started = time.monotonic()
    result = scanned(comma(peer(mute)), seconds=2.0)
    assert time.monotonic() - started < 2.0
    assert [gap.reason for gap in result.coverage.gaps] == [GapReason.TIMEOUT]
    assert result.coverage.checked == 1


def test_every_port_of_a_tarpit_is_looked_at_or_a_gap() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(200)]
        mute_ports = {f"tcp/127.0.0.1:{server.getsockname()[1]}" for server in servers}
        started = time.monotonic()
        result = scanned(comma(*(server.getsockname()[1] for server in servers)), seconds=3.0)
        assert time.monotonic() - started < 3.0
    assert (result.coverage.asked, result.coverage.checked) == (200, 200)
    assert {gap.subject for gap in result.coverage.gaps} == mute_ports
    reasons = Counter(gap.reason for gap in result.coverage.gaps)
    assert reasons == {GapReason.TIMEOUT: host.IDENTIFIED_AT_ONCE, GapReason.CAP_REACHED: 200 - host.IDENTIFIED_AT_ONCE}
    assert {observation.subject for observation in result.observations if observation.type == "port"} == mute_ports


def test_open_ports_beyond_the_cap_are_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "MAX_IDENTIFIED", 3)
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(5)]
        result = scanned(comma(*(server.getsockname()[1] for server in servers)), seconds=3)
    assert result.summary == "5 ports · 5 open"
    assert sum(observation.type == "port" for observation in result.observations) == 3
    capped = [gap for gap in result.coverage.gaps if gap.subject == "tcp/127.0.0.1"]
    assert [(gap.reason, gap.count) for gap in capped] == [(GapReason.CAP_REACHED, 2)]
    assert result.coverage.asked == result.coverage.checked + 2


async def _close(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return
