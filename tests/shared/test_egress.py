from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from shared import egress
from shared.contracts.scan_rule import Effect, ScanRule
from shared.egress import Destination, is_self
from shared.ids import now
from shared.policy import Reach, TargetRefused
from shared.policy.own import OwnServices


def destination(address: str) -> Destination:
    return egress.destination(address, Reach(private=True))


def test_ipv4_and_ipv6_have_their_own_socket_addresses() -> None:
    assert destination("127.0.0.1").at(80) == ("127.0.0.1", 80)
    assert destination("::1").at(80) == ("::1", 80, 0, 0)


def test_an_address_with_a_zone_keeps_its_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert destination(f"fec0::1%{name}").at(22) == ("fec0::1", 22, 0, index)
    assert destination("fec0::1%7").at(22) == ("fec0::1", 22, 0, 7)


@pytest.mark.parametrize("address", ["169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1%1", "255.255.255.255"])
def test_no_socket_ever_gets_an_address_that_is_never_scanned(address: str) -> None:
    for _ in range(2):  # what is remembered of the first time must not let the second one through
        with pytest.raises(TargetRefused):
            destination(address)


@pytest.mark.parametrize("text", ["localhost", "", "1.2.3", "fec0::1%nosuchinterface"])
def test_only_addresses_are_destinations(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        destination(text)


def test_a_socket_connected_to_itself_is_noticed() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert is_self(sock)


def test_a_socket_connected_to_another_is_not_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as sock:
        assert not is_self(sock)


def test_ports_of_the_installation_are_no_destination() -> None:
    own = OwnServices(places=frozenset({(ipaddress.ip_address("127.0.0.1"), 6379)}))
    for address in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"):
        place = egress.destination(address, Reach(private=True, own=own))
        assert place.at(6380)
        with pytest.raises(TargetRefused, match="itself") as caught:
            place.at(6379)
        assert caught.value.rule == "own-service"


def test_the_name_counts_too() -> None:
    rules = [ScanRule(id="r", effect=Effect.DENY, what="*.example.org", created_at=now())]
    with pytest.raises(TargetRefused, match=r"db\.example\.org"):
        egress.destination("127.0.0.1", Reach(rules, private=True), "db.example.org")


@contextmanager
def peer(*said: bytes) -> Iterator[int]:
    """A server that says these pieces to whoever connects, and then nothing more."""
    gone = threading.Event()

    def speak(server: socket.socket) -> None:
        with suppress(OSError):
            link, _ = server.accept()
            with link:
                for piece in said:
                    link.sendall(piece)
                gone.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=speak, args=(server,))
        thread.start()
        yield int(server.getsockname()[1])
        gone.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join()


def connected(port: int, *, lasts_s: float = 5.0, limit: int = 100) -> egress.Link:
    return egress.connect("127.0.0.1", port, Reach(private=True), ends_at=time.monotonic() + lasts_s, limit=limit)


def test_a_connection_reads_no_more_than_its_limit() -> None:
    with peer(b"x" * 300) as port, connected(port, limit=100) as link:
        read = b""
        while len(read) < 100:
            read += link.read(64)
        with pytest.raises(egress.TooMuch):
            link.read(64)
        assert read == b"x" * 100


def test_a_connection_ends_at_its_deadline() -> None:
    with peer(b"x") as port, connected(port, lasts_s=0.3) as link:
        assert link.read(10) == b"x"
        started = time.monotonic()
        with pytest.raises(egress.TooLate):
            link.read(10)
        assert time.monotonic() - started < 2


def test_a_block_that_lasts_too_long_loses_its_connection() -> None:
    with peer(b"") as port, connected(port) as link, egress.ending(link.sock, 0.2):
        assert link.read(10) == b""


def test_nothing_is_connected_to_where_one_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = ["127.0.0.1", "169.254.169.254"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (each, 0)) for each in found])
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port, ends_at = server.getsockname()[1], time.monotonic() + 5
        with pytest.raises(TargetRefused):
            egress.connect("two.invalid", port, Reach(private=True), ends_at=ends_at, limit=1)
        with pytest.raises(BlockingIOError):
            server.accept()
