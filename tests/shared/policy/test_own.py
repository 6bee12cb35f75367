"""The installation's own services are found in its settings, and at every address of this machine."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from shared.policy.own import OwnServices, is_here, own_services, resolved
from shared.settings import Settings, settings

REDIS, GATEWAY = 6379, 8000


def services(**changes: Any) -> OwnServices:
    return resolved(Settings(**{"database_url": "sqlite:///v.db", **changes}))


def ports(own: OwnServices, address: str, name: str = "") -> set[int]:
    return set(own.ports(ipaddress.ip_address(address), name))


def test_the_defaults_are_redis_and_the_gateway_on_loopback() -> None:
    own = services()
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1"):
        assert ports(own, address) == {REDIS, GATEWAY}
    assert ports(own, "93.184.215.14") == set()


def test_every_url_of_the_settings_names_a_service() -> None:
    own = services(
        redis_url="rediss://:pw@10.0.0.1",
        database_url="postgresql://u:p@10.0.0.2,10.0.0.3:5433/v",
        smtp_url="smtps://u:p@10.0.0.4",
        gateway_public_url="https://10.0.0.5/vedette",
        own_services=["10.0.0.7:9000", "[2001:db8::7]:9001", "nonsense"],
        gateway_host="10.0.0.6",
        gateway_port=8443,
    )
    found = {str(address): port for address, port in own.places}
    assert found == {
        "10.0.0.1": 6379,
        "10.0.0.2": 5432,
        "10.0.0.3": 5433,
        "10.0.0.4": 465,
        "10.0.0.5": 443,
        "10.0.0.6": 8443,
        "10.0.0.7": 9000,
        "2001:db8::7": 9001,
    }
    assert ports(own, "::ffff:10.0.0.1") == {6379}


@pytest.mark.parametrize(
    "url", ["postgresql://u@/v?host=10.0.0.2&port=5433", "postgresql://u@/v?hostaddr=10.0.0.2&port=5433"]
)
def test_a_database_may_be_named_by_parameters(url: str) -> None:
    assert ports(services(database_url=url), "10.0.0.2") == {5433}


def test_a_socket_file_is_no_service_on_the_network() -> None:
    own = services(redis_url="unix:///run/r.sock", database_url="postgresql://u@/v?host=/run/postgresql")
    assert ports(own, "127.0.0.1") == {GATEWAY}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost"])
def test_who_listens_everywhere_is_on_this_machine(host: str) -> None:
    assert GATEWAY in ports(services(gateway_host=host), "127.0.0.3")


def test_a_service_whose_name_has_no_address_is_known_by_its_name() -> None:
    own = services(redis_url="redis://nothing.invalid:7000")
    assert ports(own, "93.184.215.14", "nothing.invalid") == {7000}
    assert ports(own, "93.184.215.14", "NOTHING.invalid.") == {7000}
    assert ports(own, "93.184.215.14", "other.invalid") == set()


def test_an_address_of_this_machine_is_here() -> None:
    assert is_here(ipaddress.ip_address("127.1.2.3"))
    assert not is_here(ipaddress.ip_address("192.0.2.77"))
    assert not is_here(ipaddress.ip_address("2001:db8::77"))


def test_they_are_kept_until_the_settings_change(fresh_settings: pytest.MonkeyPatch) -> None:
    first = own_services()
    assert own_services() is first
    fresh_settings.setenv("VEDETTE_GATEWAY_PORT", "8001")
    settings.cache_clear()
    assert ports(own_services(), "127.0.0.1") == {REDIS, 8001}
