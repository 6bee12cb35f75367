"""Turn what was seen into observations and gaps, in an order that depends on nothing but the host."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from services.scan.net.answer import Page
from services.scan.net.connect import Tally
from services.scan.net.identify import Identity
from services.scan.net.ranges import compact
from shared.contracts.job import Contract
from shared.contracts.kinds.host import HostFacts, HttpFacts, PortFacts, ServiceFacts
from shared.contracts.observation import Coverage, Evidence, Gap, GapReason, Observation
from shared.contracts.ports import group_of

SHOWN = 4  # addresses named in a gap
_DEFAULT_PORT = {"http": 80, "https": 443}


def host(name: str, addresses: Sequence[str], tallies: dict[str, Tally]) -> Observation:
    """Return the observation of the machine itself. addresses: all of the name, also those without a tally."""
    answered = [address for address, tally in tallies.items() if tally.opened or tally.closed]
    fastest = min((tally.fastest for tally in tallies.values() if tally.fastest is not None), default=None)
    latency_ms = None if fastest is None else round(fastest * 1000, 3)
    return _observed(
        "host", "host", HostFacts(name=name, addresses=list(addresses), answered=answered, latency_ms=latency_ms)
    )


def port(address: str, number: int, seconds: float) -> Observation:
    """Return the observation of one open port, which took `seconds` to accept."""
    latency_ms = round(seconds * 1000, 3)
    facts = PortFacts(address=address, port=number, group=group_of(number), latency_ms=latency_ms)
    return _observed("port", subject(address, number), facts)


def services(identity: Identity, name: str) -> list[Observation]:
    """Return what was found out about one open port: its service, its TLS, its web page. name: as asked for."""
    what, service = subject(identity.address, identity.port), identity.service
    facts = ServiceFacts(
        address=identity.address,
        port=identity.port,
        name=service.name,
        product=service.product,
        version=service.version,
        tls=identity.in_tls,
        details=service.details,
    )
    found = [_observed("service", what, facts, identity.evidence)]
    if identity.tls is not None:
        found.append(_observed("tls", what, identity.tls))
    if service.page is not None:
        found.append(_observed("http", what, _http(identity, service.page, name), identity.evidence))
    return found


def in_order(observations: Iterable[Observation]) -> list[Observation]:
    """Return observations by address, port and type; the machine itself first."""
    return sorted(observations, key=_place)


def coverage(
    asked: Sequence[int],
    tallies: dict[str, Tally],
    unlisted: dict[str, list[int]],
    barred: dict[str, list[int]],
    gaps: list[Gap],
) -> Coverage:
    """Return how many of the `asked` ports of every address are known to be open or closed, and a gap for the rest.

    unlisted: open ports by address that are too many to look at.  barred: those that may not be connected to.
    gaps: of other units; they are passed on.
    """
    found: list[Gap] = []
    for address, tally in tallies.items():
        own = barred.get(address, [])
        left = set(asked).difference(own, tally.opened, tally.closed, tally.filtered, tally.unreachable)
        found += _gap(address, GapReason.FILTERED, tally.filtered, "no answer")
        found += _gap(address, GapReason.UNREACHABLE, tally.unreachable, "reported as unreachable")
        found += _gap(address, GapReason.REFUSED, own, "of this installation itself, never scanned")
        found += _gap(address, GapReason.CAP_REACHED, left, "not reached before the deadline")
        found += _gap(address, GapReason.CAP_REACHED, unlisted.get(address, ()), "open, but too many to look at")
    total = len(asked) * len(tallies)
    return Coverage(asked=total, checked=total - sum(gap.count for gap in found), gaps=found + gaps)


def leaving_out(coverage: Coverage, name: str, addresses: Sequence[str], ports: int) -> Coverage:
    """Return `coverage` with one gap for all `ports` of those `addresses` of `name` that were not scanned."""
    if not addresses:
        return coverage
    named = f"{', '.join(addresses[:SHOWN])}{' …' if len(addresses) > SHOWN else ''}"
    gap = Gap(
        subject=f"tcp/{name}",
        reason=GapReason.CAP_REACHED,
        count=ports * len(addresses),
        detail=f"{len(addresses)} addresses not scanned, as the name has too many: {named}",
    )
    return coverage.model_copy(update={"asked": coverage.asked + gap.count, "gaps": [*coverage.gaps, gap]})


def subject(address: str, number: int) -> str:
    return f"tcp/[{address}]:{number}" if ":" in address else f"tcp/{address}:{number}"


def _http(identity: Identity, page: Page, name: str) -> HttpFacts:
    scheme = "https" if identity.in_tls else "http"
    authority = f"[{name}]" if ":" in name else name
    at = "" if identity.port == _DEFAULT_PORT[scheme] else f":{identity.port}"
    return HttpFacts(
        address=identity.address,
        port=identity.port,
        scheme="https" if identity.in_tls else "http",
        url=f"{scheme}://{authority}{at}/",
        status=page.status,
        server=page.headers.get("server", ""),
        title=page.title,
        headers=page.headers,
        cookies=page.cookies,
        redirects_to=page.headers.get("location", "") if 300 <= page.status < 400 else "",
    )


def _gap(address: str, reason: GapReason, ports: Iterable[int], why: str) -> list[Gap]:
    numbers = set(ports)
    if not numbers:
        return []
    return [Gap(subject=f"tcp/{address}", reason=reason, count=len(numbers), detail=f"{why}: {compact(numbers)}")]


def _observed(kind: str, what: str, facts: Contract, proof: Sequence[Evidence] = ()) -> Observation:
    data = facts.model_dump(mode="json")
    return Observation(type=kind, subject=what, data=data, evidence=list(proof), observed_at=datetime.now(UTC))


def _place(observation: Observation) -> tuple[int, int, int, str]:
    address = observation.data.get("address")
    if address is None:
        return 0, 0, 0, observation.type
    ip = ipaddress.ip_address(address)
    return ip.version, int(ip), observation.data["port"], observation.type
