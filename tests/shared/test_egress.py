from __future__ import annotations

import socket

import pytest

from shared import egress
from shared.egress import Destination, is_self
from shared.policy import Reach, TargetRefused


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
