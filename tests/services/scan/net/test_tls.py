from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import pytest

from services.scan.net import tls
from services.scan.net.answer import NotSpoken
from services.scan.net.connection import Connection, Lost
from services.scan.net.dial import dial
from shared.contracts.kinds.host import TlsFacts
from tests.services.scan.farm import Farm, Ports
from tests.services.scan.here import HERE


def inspected(port: int, host: str = "localhost") -> TlsFacts:
    async def ready() -> Connection:
        return await dial(HERE, port)

    return asyncio.run(tls.inspect(ready, "127.0.0.1", port, host)).facts


def test_what_a_server_negotiates_and_which_versions_it_accepts(nginx: Ports) -> None:
    facts = inspected(nginx["https"])
    assert (facts.version, facts.alpn, facts.cipher_bits >= 128) == ("TLSv1.3", "h2", True)
    assert (facts.accepted, facts.refused) == (["TLSv1.2", "TLSv1.3"], ["TLSv1", "TLSv1.1"])


def test_old_versions_are_found_where_they_are_accepted(exim: Ports) -> None:
    assert inspected(exim["smtps"]).accepted[:2] == ["TLSv1", "TLSv1.1"]


def test_a_chain_of_an_unknown_authority_is_read_but_not_trusted(nginx: Ports) -> None:
    facts = inspected(nginx["https"])
    assert [certificate.is_ca for certificate in facts.chain] == [False, True]
    assert facts.name_matches
    assert not facts.is_trusted
    assert "self-signed certificate in certificate chain" in facts.trust_error


def test_a_chain_of_a_known_authority_is_trusted(nginx: Ports, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context(cafile=str(farm.certificates["authority"]))
    context.check_hostname = False
    monkeypatch.setattr(tls, "trusting", lambda: context)
    facts = inspected(nginx["https"])
    assert (facts.is_trusted, facts.trust_error) == (True, "")


def test_an_expired_certificate_for_another_name_is_described(nginx: Ports) -> None:
    facts = inspected(nginx["expired"])
    assert facts.chain[0].is_self_signed
    assert facts.chain[0].not_after.year == 2001
    assert (facts.name_checked, facts.name_matches, facts.is_trusted) == ("localhost", False, False)


def test_a_server_without_tls_is_not_one(nginx: Ports) -> None:
    with pytest.raises(NotSpoken):
        inspected(nginx["http"])


def test_garbage_after_the_hello_is_not_tls(peer: Callable[..., int]) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(16)
        writer.write(b"\x16\x03\x03\x40\x00" + b"\xff" * 5000)
        await writer.drain()

    with pytest.raises((NotSpoken, Lost)):
        inspected(peer(garbage))


def test_addresses_are_not_sent_as_server_names() -> None:
    assert tls.server_name("::1") is None
    assert tls.server_name("fe80::1%eth0") is None
    assert tls.server_name("a.example") == "a.example"
