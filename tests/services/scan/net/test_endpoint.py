from __future__ import annotations

import socket

import pytest

from services.scan.net.endpoint import destination, is_self


def test_ipv4_and_ipv6_have_their_own_socket_addresses() -> None:
    assert destination("127.0.0.1").at(80) == ("127.0.0.1", 80)
    assert destination("::1").at(80) == ("::1", 80, 0, 0)


def test_a_link_local_address_keeps_its_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert destination(f"fe80::1%{name}").at(22) == ("fe80::1", 22, 0, index)
    assert destination("fe80::1%7").at(22) == ("fe80::1", 22, 0, 7)


@pytest.mark.parametrize("text", ["localhost", "", "1.2.3", "fe80::1%nosuchinterface"])
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
