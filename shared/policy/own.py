"""Where the installation's own services answer: nobody scans them or sends webhooks to them, not even where networks
around them are open.

Read from the settings of this process, resolved, and kept for `KEPT_S`. A service on this machine is refused at all
addresses of the machine.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, parse_qs, urlsplit

import structlog

from shared import resolver
from shared.errors import VedetteError
from shared.policy.never import Address, carried
from shared.settings import Settings, settings

log = structlog.get_logger()

KEPT_S = 60.0
RESOLVE_S = 2.0
_PORTS = {
    "redis": 6379,
    "rediss": 6379,
    "postgresql": 5432,
    "postgres": 5432,
    "http": 80,
    "https": 443,
    "smtp": 587,
    "smtps": 465,
}
_ANY_HERE = {"0.0.0.0", "::", ""}  # noqa: S104  a service that listens everywhere is on this machine


@dataclass(frozen=True)
class OwnServices:
    """names: hosts as the settings write them, with the port.  places: their addresses, with the port."""

    names: frozenset[tuple[str, int]] = frozenset()
    places: frozenset[tuple[Address, int]] = frozenset()

    def ports(self, address: Address, name: str = "") -> frozenset[int]:
        """Return the ports at which services of the installation answer on `address`, or under `name`."""
        inner, asked = carried(address), name.lower().rstrip(".")
        found = {port for place, port in self.places if place == inner}
        found |= {port for host, port in self.names if host == asked}
        return frozenset(found | self._here if self._here - found and is_here(inner) else found)

    @cached_property
    def _here(self) -> frozenset[int]:
        """Ports of the services that are on this machine."""
        return frozenset(port for place, port in self.places if is_here(place))


def own_services() -> OwnServices:
    """Return the services that the settings name, at most `KEPT_S` old."""
    given = settings()
    for kept, at, found in _known:
        if kept is given and time.monotonic() - at < KEPT_S:
            return found
    found = resolved(given)
    _known[:] = [(given, time.monotonic(), found)]
    return found


_known: list[tuple[Settings, float, OwnServices]] = []


def resolved(given: Settings) -> OwnServices:
    """Return the services that `given` names. One whose name has no address now is known by its name alone."""
    names = frozenset(_named(given))
    places = {(address, port) for host, port in names for address in _addresses(host)}
    return OwnServices(names, frozenset(places))


def is_here(address: Address) -> bool:
    """Whether `address` is one of this machine: loopback, or one to which a socket can be bound."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False


def _named(given: Settings) -> Iterator[tuple[str, int]]:
    yield given.gateway_host.lower(), given.gateway_port
    for each in given.own_services:
        with suppress(ValueError):
            one = urlsplit(f"//{each}")
            if one.hostname and one.port:
                yield one.hostname.rstrip("."), one.port
    secrets = (given.redis_url, given.database_url, given.smtp_url)
    for url in (*(secret.get_secret_value() for secret in secrets), given.gateway_public_url):
        with suppress(ValueError):
            yield from _hosts(urlsplit(url))


def _hosts(url: SplitResult) -> Iterator[tuple[str, int]]:
    """Yield hosts and ports of a URL. libpq's may have several, also as parameters; a path is a socket file."""
    if url.scheme not in _PORTS:
        return
    asked = parse_qs(url.query) if url.scheme.startswith("postgres") else {}
    hosts = ",".join([url.netloc.rpartition("@")[2], *asked.get("host", []), *asked.get("hostaddr", [])])
    ports = [int(port) for text in asked.get("port", []) for port in text.split(",") if port.isdigit()]
    for each in filter(None, hosts.split(",")):
        if each.startswith("/"):
            continue
        one = urlsplit(f"//{each}")
        if one.hostname:
            for port in [one.port] if one.port else ports or [_PORTS[url.scheme]]:
                yield one.hostname.rstrip("."), port


def _addresses(host: str) -> list[Address]:
    if host in _ANY_HERE:
        return [ipaddress.IPv4Address("127.0.0.1")]
    try:
        return [carried(ipaddress.ip_address(each)) for each in resolver.addresses(host, RESOLVE_S)]
    except VedetteError as exc:
        log.warning("policy.own.unresolved", host=host, error=exc.code)
        return []
