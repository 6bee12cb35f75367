from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from services.scan.net import connect
from services.scan.net.connect import SocketsExhausted, Sweep, Tally
from services.scan.net.pace import Pace
from shared.egress import destination
from tests.services.scan.alone import alone
from tests.services.scan.here import EVERYWHERE

EVERY_PORT = """
import fcntl, socket, struct, time
from services.scan.net.connect import Sweep
from shared.egress import destination
from shared.policy import Reach; EVERYWHERE = Reach(private=True)
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
for address in ("127.0.0.1", "::1"):
    where = destination(address, EVERYWHERE)
    listener = socket.socket(where.family)
    listener.bind(where.at(40123))
    listener.listen()
    sweep = Sweep(where, deadline=time.monotonic() + 30)
    for _ in sweep.run(range(1, 65536)): pass
    tally = sweep.tally
    print(sorted(tally.opened), len(tally.closed), tally.filtered, tally.unreachable)
"""


def sweep_of(ports: Iterable[int], address: str = "127.0.0.1", seconds: float = 10.0) -> Tally:
    sweep = Sweep(destination(address, EVERYWHERE), deadline=time.monotonic() + seconds)
    with contextlib.closing(sweep):
        for _ in sweep.run(ports):
            pass
    return sweep.tally


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def files_left(count: int) -> Iterator[None]:
    """Let this process open no more than `count` files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        taken: list[int] = []
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[count:]:
            stack.callback(os.close, descriptor)
        for descriptor in taken[:count]:
            os.close(descriptor)
        yield


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound and not listening: refused, and nobody else can take it
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_a_listening_port_is_open_and_its_latency_is_measured(listener: int) -> None:
    opened = sweep_of([listener]).opened
    assert 0 < opened[listener] < 1


def test_a_refused_port_is_closed(closed_port: int) -> None:
    assert sweep_of([closed_port]).closed == [closed_port]


def test_a_port_that_drops_packets_is_filtered(blackhole: int, closed_port: int) -> None:
    tally = sweep_of([blackhole, closed_port])
    assert tally.filtered == [blackhole]
    assert tally.closed == [closed_port]


@pytest.mark.usefixtures("less_patience")
def test_a_silent_port_is_asked_twice(blackhole: int) -> None:
    started = time.monotonic()
    sweep_of([blackhole])
    assert time.monotonic() - started >= 2 * Pace().timeout


def test_an_address_without_a_route_is_unreachable() -> None:
    program = "from tests.services.scan.net.test_connect import sweep_of; print(sweep_of([80, 443], '192.0.2.1'))"
    assert "unreachable=[80, 443]" in alone("-c", program).stdout


def test_the_deadline_leaves_the_rest_unasked(blackhole: int) -> None:
    started = time.monotonic()
    tally = sweep_of([blackhole], seconds=0.3)
    assert time.monotonic() - started < 1
    assert tally.done == 0


def test_a_sweep_can_be_left_at_any_time_without_leaving_sockets(blackhole: int) -> None:
    before = open_files()
    with contextlib.closing(Sweep(destination("127.0.0.1", EVERYWHERE), deadline=time.monotonic() + 10)) as sweep:
        next(iter(sweep.run([blackhole])))
    assert open_files() == before


def test_the_caller_hears_of_a_slow_sweep_several_times_a_second(blackhole: int) -> None:
    with contextlib.closing(Sweep(destination("127.0.0.1", EVERYWHERE), deadline=time.monotonic() + 1)) as sweep:
        assert len(list(sweep.run([blackhole]))) >= 4


def test_a_process_without_files_waits_and_then_says_so(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setattr(connect, "STARVED_LIMIT", 2)
    sweep = Sweep(destination("127.0.0.1", EVERYWHERE), deadline=time.monotonic() + 10)
    with contextlib.closing(sweep), files_left(0), pytest.raises(SocketsExhausted, match="Too many open files"):
        list(sweep.run([closed_port]))


@pytest.mark.usefixtures("less_patience")
def test_few_files_make_the_sweep_slower_not_wrong(blackhole: int, closed_port: int) -> None:
    sweep = Sweep(destination("127.0.0.1", EVERYWHERE), deadline=time.monotonic() + 20)
    with contextlib.closing(sweep), files_left(1):
        list(sweep.run([blackhole, closed_port]))
    assert (sweep.tally.filtered, sweep.tally.closed) == ([blackhole], [closed_port])


def test_all_ports_of_loopback_are_right_although_tcp_can_connect_to_itself() -> None:
    """In a network of its own, so that nobody else listens. Every source port of the sweep is also a target."""
    done = alone("-c", EVERY_PORT)
    assert done.stdout.splitlines() == ["[40123] 65534 [] []"] * 2, done.stderr
