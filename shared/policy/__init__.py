"""Who may scan what. Asked when a job is submitted or run again, and for every address that a scan connects to.

`reach(rules)` is what an organisation may reach; `check` and `judged` ask it about a target, with all addresses that
its names have now.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from shared import resolver
from shared.contracts.scan_rule import ScanRule
from shared.contracts.target import TargetModel
from shared.policy.never import NEVER, Address, carried, forbidden
from shared.policy.own import own_services
from shared.policy.reach import OWN_RULE, Reach, Refusal, TargetRefused
from shared.settings import settings

__all__ = [
    "NEVER",
    "Address",
    "Judged",
    "Reach",
    "Refusal",
    "TargetRefused",
    "carried",
    "check",
    "forbidden",
    "guard",
    "judged",
    "reach",
    "webhooks",
]

RESOLVE_TIMEOUT_S = 5.0  # somebody waits for the answer to a submission


@dataclass(frozen=True)
class Judged:
    """One address of a target. own_ports: those of the installation itself there, which no scan connects to."""

    address: str
    refusal: Refusal | None
    own_ports: frozenset[int] = frozenset()


def reach(rules: Sequence[ScanRule] = ()) -> Reach:
    """Return what an organisation with these rules may scan from here."""
    return Reach(tuple(rules), settings().private_targets, own_services())


def webhooks(*, private: bool) -> Reach:
    """Return where webhooks may go. private: also to addresses that are not on the public Internet."""
    return Reach((), private, own_services())


def check(target: TargetModel, within: Reach) -> None:
    """Refuse a single target of which one of its hosts cannot or must not be scanned.

    Raises TargetUnresolvable, ResolverAway or TargetRefused.
    """
    for each in judged(target, within):
        if each.refusal:
            raise each.refusal.error()


def judged(target: TargetModel, within: Reach) -> list[Judged]:
    """Return what holds for every address of a single target. Raises TargetUnresolvable or ResolverAway."""
    return [
        _judged(address, host, target.named_ports, within)
        for host in target.hosts
        for address in resolver.addresses(host, RESOLVE_TIMEOUT_S)
    ]


def guard(address: str) -> None:
    """Refuse an address that is never reached, also where it hides in an IPv6 one. Raises TargetRefused."""
    if forbidden(ipaddress.ip_address(address)):
        Reach(private=True).require(address)


def _judged(address: str, host: str, named: Sequence[int], within: Reach) -> Judged:
    refusal = within.refusal(address, host)
    own = within.own_ports(address, host)
    if not refusal and named and own.issuperset(named):
        why = f"{host} has only ports of the installation itself here, which are never scanned."
        refusal = Refusal(OWN_RULE, why, "Name other ports.")
    return Judged(address, refusal, own)
