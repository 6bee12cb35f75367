"""What may be reached: fixed prohibitions, the rules of an organisation, closed networks, the installation itself.

Evaluates and decides; reads nothing. In this order: never, deny, allow, closed networks and their grants.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from shared.contracts.scan_rule import Effect, ScanRule, network
from shared.errors import Security
from shared.ids import now
from shared.policy.closed import closed
from shared.policy.never import Address, carried, forbidden
from shared.policy.own import OwnServices

NEVER_RULE, CLOSED_RULE, OWN_RULE, NOT_ALLOWED_RULE = "never", "closed", "own-service", "not-allowed"


class TargetRefused(Security):
    """The target may not be scanned.

    rule: what refuses it, `never`, `closed`, `own-service`, `not-allowed` or `deny:ID`.
    """

    rule = NEVER_RULE


@dataclass(frozen=True)
class Refusal:
    """Why something is not reached. rule: see TargetRefused."""

    rule: str
    why: str
    cure: str = ""

    def error(self) -> TargetRefused:
        made = TargetRefused(self.why, cure=self.cure)
        made.rule = self.rule
        return made


@dataclass(frozen=True)
class Reach:
    """rules: of the organisation.  private: closed networks are open to everybody here.  own: what is never reached."""

    rules: Sequence[ScanRule] = ()
    private: bool = False
    own: OwnServices = field(default_factory=OwnServices)

    def refusal(self, address: str, name: str = "") -> Refusal | None:
        """Return why `address`, of the host that was asked for as `name`, is not to be reached; None where it is."""
        ip, at = ipaddress.ip_address(address), now()
        if what := forbidden(ip):
            return Refusal(NEVER_RULE, f"{address} is {what}, which is never scanned.", "Give the address of a host.")
        if denied := self._matching(Effect.DENY, ip, name, at):
            return _denied(address, name, denied)
        if self._narrows() and not self._matching(Effect.ALLOW, ip, name, at):
            why = f"{_called(address, name)} is not among what the organisation allows to be scanned."
            return Refusal(NOT_ALLOWED_RULE, why, "List the rules: vedette targets rules list")
        if not self.private and (what := closed(ip)) and not self._matching(Effect.GRANT, ip, "", at):
            why = f"{_called(address, name)} is {what}: closed here unless it is granted."
            return Refusal(CLOSED_RULE, why, "Ask the operator: vedette targets rules grant NETWORK --until 7d")
        return None

    def require(self, address: str, name: str = "") -> None:
        """Raise TargetRefused where `address` is not to be reached."""
        if refused := self.refusal(address, name):
            raise refused.error()

    def own_ports(self, address: str, name: str = "") -> frozenset[int]:
        """Return the ports of the installation itself on `address`; no socket goes there."""
        return self.own.ports(ipaddress.ip_address(address), name)

    def _narrows(self) -> bool:
        """Whether there is any allow rule, also an expired one: an end of a permission must not permit more."""
        return any(rule.effect is Effect.ALLOW for rule in self.rules)

    def _matching(self, effect: Effect, ip: Address, name: str, at: datetime) -> ScanRule | None:
        """Return a rule that is about this address, or about this name of it.

        An address inside another (RFC 4291, NAT64, tunnels) is what counts; for denying, its coat counts too.
        """
        inner = carried(ip)
        both = [(inner.version, int(inner))] + ([(ip.version, int(ip))] if effect is Effect.DENY else [])
        asked = name.lower().rstrip(".")
        found = (each.rule for each in self._by_effect[effect] if each.is_about(both, asked))
        return next((rule for rule in found if not rule.is_over(at)), None)

    @cached_property
    def _by_effect(self) -> dict[Effect, list[_Matcher]]:
        return {effect: [_matcher(rule) for rule in self.rules if rule.effect is effect] for effect in Effect}


@dataclass(frozen=True, slots=True)
class _Matcher:
    """A rule taken apart once: it is compared with every address of a network. version: 0 for one about names."""

    rule: ScanRule
    version: int = 0
    mask: int = 0
    value: int = 0

    def is_about(self, addresses: Sequence[tuple[int, int]], name: str) -> bool:
        if not self.version:
            return _is_name(self.rule.what, name)
        return any(version == self.version and number & self.mask == self.value for version, number in addresses)


def _matcher(rule: ScanRule) -> _Matcher:
    wanted = network(rule.what)
    if wanted is None:
        return _Matcher(rule)
    return _Matcher(rule, wanted.version, int(wanted.netmask), int(wanted.network_address))


def _is_name(pattern: str, name: str) -> bool:
    """Whether `name` is the pattern's, or below it where it begins with `*.`."""
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern


def _denied(address: str, name: str, rule: ScanRule) -> Refusal:
    because = f" ({rule.reason})" if rule.reason else ""
    why = f"{_called(address, name)} is denied by the organisation's rule for {rule.what}{because}."
    return Refusal(f"deny:{rule.id}", why, "List the rules: vedette targets rules list")


def _called(address: str, name: str) -> str:
    return f"{name} ({address})" if name and name != address else address
