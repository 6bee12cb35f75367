"""Rules of an organisation about what it may scan, and what they say of a target before anything is scanned.

`deny` closes, and wins over all. `allow` narrows: with one such rule, also an expired one, nothing else may be scanned.
`grant` opens networks that are closed by default (loopback, private, reserved); only the installation's operator makes
one.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from shared.contracts.addresses import canonical, span
from shared.contracts.job import Contract, Written
from shared.contracts.submission import MAX_TARGETS
from shared.errors import InvalidInput

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_WHAT = 255
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_CURE = "Give an address, a network such as 10.0.0.0/8, a name, or all names below one such as *.example.org."


class Effect(StrEnum):
    """What a rule does to what it matches."""

    DENY = "deny"
    ALLOW = "allow"
    GRANT = "grant"


class NewScanRule(Written):
    """what: an address, a network, a name, or all names below one (`*.example.org`).

    expires_at: from then on it matches nothing; null: never.
    """

    effect: Effect
    what: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_WHAT)]
    reason: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    expires_at: AwareDatetime | None = None

    @field_validator("what")
    @classmethod
    def _what_is_canonical(cls, value: str) -> str:
        return canonical_what(value)

    @model_validator(mode="after")
    def _a_grant_is_of_a_network(self) -> NewScanRule:
        if self.effect is Effect.GRANT and network(self.what) is None:
            raise InvalidInput(
                f"A grant opens a network, and {self.what[:80]!r} is a name: its owner decides where that leads.",
                cure="Give an address or a network.",
                pointer="/what",
            )
        return self


class ScanRule(Contract):
    """A rule that was made."""

    id: str
    effect: Effect
    what: str
    reason: str = ""
    created_by: str = ""
    created_at: datetime
    expires_at: datetime | None = None

    def is_over(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


class TargetCheck(Written):
    """Targets to be judged without being scanned."""

    targets: list[Any] = Field(min_length=1, max_length=MAX_TARGETS)


class AddressVerdict(Contract):
    """One address of a target. `rule` and `detail` say why it may not be scanned; both are empty where it may.

    not_scanned: ports of the installation itself that a scan of this address leaves out.
    """

    address: str
    allowed: bool
    rule: str = ""
    detail: str = ""
    not_scanned: list[int] = []


class TargetVerdict(Contract):
    """What would become of a single target. `code`, `detail` and `cure` are those of the refusal.

    rule: `never`, `closed`, `own-service`, `not-allowed` or `deny:ID`; empty where it may be scanned, or is malformed.
    """

    target: str
    allowed: bool
    addresses: list[AddressVerdict] = []
    rule: str = ""
    code: str = ""
    detail: str = ""
    cure: str = ""


def network(what: str) -> Network | None:
    """Return the network that `what` of a rule is, or None where it is a name."""
    try:
        return ipaddress.ip_network(what, strict=False)
    except ValueError:
        return None


def canonical_what(text: str) -> str:
    """Return what a rule is about in the one spelling that is compared. Raises InvalidInput."""
    if "%" in text:
        raise _wrong(text)
    if (found := network(text)) is not None:
        return _canonical_network(found)
    below, name = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if set("*/") & set(name) or span(name):  # a range would be taken for a name, and match nothing
        raise _wrong(text)
    try:
        return below + canonical(name)
    except InvalidInput as exc:
        raise _wrong(text) from exc


def _canonical_network(found: Network) -> str:
    if isinstance(found, ipaddress.IPv6Network) and found.subnet_of(_MAPPED):  # what it means is IPv4
        low = ipaddress.IPv4Address(int(found.network_address) & 0xFFFF_FFFF)
        found = ipaddress.ip_network((low, found.prefixlen - 96))
    return str(found.network_address if found.num_addresses == 1 else found)


def _wrong(text: str) -> InvalidInput:
    return InvalidInput(f"A rule cannot be about {text[:80]!r}.", cure=_CURE, pointer="/what")
