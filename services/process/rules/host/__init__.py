"""Hosts: what the rules see. A module of rules here has `judge(view)` and declares its `Rule`s at its top."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from services.process.facts import Fact, read
from services.process.rules.host._checked import checked
from shared.contracts.kinds.host import HostFacts, HttpFacts, PortFacts, ServiceFacts, TlsFacts
from shared.contracts.observation import MAX_EVIDENCE, Evidence, Observation

__all__ = ["Reach", "Service", "View", "aware", "checked", "reach", "view"]


class Reach(StrEnum):
    """How far the scanned address can be seen. It says nothing of firewalls on the way."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"

    @property
    def note(self) -> str:
        """Words to end a `what` with, so that it claims no more than the scan can know."""
        if self is Reach.LOOPBACK:
            return (
                "It was reached over loopback, on the machine itself; "
                "whether other machines can reach it, this scan does not show."
            )
        return f"It is reachable from where the scan ran, at a {self.value} address."


class Service(Fact[ServiceFacts]):
    """A service, with its protocol's details read defensively: a value of another type counts as absent."""

    def flag(self, key: str) -> bool | None:
        value = self.data.details.get(key)
        return value if isinstance(value, bool) else None

    def text(self, key: str) -> str:
        value = self.data.details.get(key)
        return value if isinstance(value, str) else ""

    def names(self, key: str) -> list[str]:
        value = self.data.details.get(key)
        return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []

    @property
    def label(self) -> str:
        """Product and version where known, e.g. `OpenSSH 9.2p1`, else the protocol's name."""
        return f"{self.data.product} {self.data.version}".strip() or self.data.name


@dataclass(frozen=True)
class View:
    """Everything seen of one host. `pages` are HTTP answers."""

    at: datetime
    hosts: tuple[Fact[HostFacts], ...] = ()
    ports: tuple[Fact[PortFacts], ...] = ()
    services: tuple[Service, ...] = ()
    tls: tuple[Fact[TlsFacts], ...] = ()
    pages: tuple[Fact[HttpFacts], ...] = ()

    def named(self, *names: str) -> Iterator[Service]:
        """Yield the services of these protocol names."""
        return (service for service in self.services if service.data.name in names)


def view(observations: Sequence[Observation], at: datetime) -> View:
    """Return the view of `observations`; malformed ones are left out (see `judge.unjudged`)."""
    facts = read("host", observations)[0]
    return View(
        at=aware(at),
        hosts=tuple(Fact(f.data, f.subject, f.evidence) for f in facts if isinstance(f.data, HostFacts)),
        ports=tuple(Fact(f.data, f.subject, f.evidence) for f in facts if isinstance(f.data, PortFacts)),
        services=tuple(Service(f.data, f.subject, f.evidence) for f in facts if isinstance(f.data, ServiceFacts)),
        tls=tuple(
            Fact(f.data, f.subject, f.evidence or (_handshake(f.data),)) for f in facts if isinstance(f.data, TlsFacts)
        ),
        pages=tuple(Fact(f.data, f.subject, f.evidence) for f in facts if isinstance(f.data, HttpFacts)),
    )


def _handshake(data: TlsFacts) -> Evidence:
    """Return what a handshake told, in words: its bytes are ciphertext, which proves nothing to a reader."""
    lines = [
        f"{data.version} {data.cipher}",
        f"accepted: {' '.join(data.accepted)}",
        f"refused: {' '.join(data.refused)}",
    ]
    lines += [
        f"{each.subject} by {each.issuer}, {each.not_before:%Y-%m-%d} to {each.not_after:%Y-%m-%d}, "
        f"{each.key_type} {each.key_bits or ''}, {each.signature_hash}, sha256 {each.sha256}"
        for each in data.chain
    ]
    text = "\n".join([*lines, f"verification: {data.trust_error or data.is_trusted}"])
    return Evidence(source="TLS handshake, decoded", text=text[:MAX_EVIDENCE], truncated=len(text) > MAX_EVIDENCE)


def reach(address: str) -> Reach:
    """Return how far `address` reaches. What is no address counts as private: nothing is claimed without proof."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return Reach.PRIVATE
    if ip.is_loopback:
        return Reach.LOOPBACK
    return Reach.PUBLIC if ip.is_global else Reach.PRIVATE


def aware(moment: datetime) -> datetime:
    """Return `moment` with a time zone; without one it is taken for UTC, as certificates are."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
