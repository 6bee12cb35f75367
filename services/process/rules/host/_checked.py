"""Which subjects of a host one scan really checked, so that a finding that is gone may be called fixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from services.process.facts import read
from shared.contracts import ports
from shared.contracts.job import Profile
from shared.contracts.kinds.host import HostFacts, Target
from shared.contracts.observation import Coverage, Gap, Observation
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput

_SUBJECT = re.compile(r"(?P<network>tcp|udp)/(?P<address>\[[^\]]+\]|[^:/\[]+):(?P<port>\d{1,5})")


def checked(
    target: TargetModel, profile: Profile, coverage: Coverage, observations: Sequence[Observation]
) -> Callable[[str], bool]:
    """Return the predicate `was_checked(subject)`. In doubt it says no.

    A port was checked when its number was asked for, its address answered, and no gap covers it. A gap is of one port
    (`tcp/ADDRESS:PORT`), or of an address (`tcp/ADDRESS`), whose `detail` ends in the ports: `no answer: 80,8000-8100`.
    """
    facts = [fact.data for fact in read("host", observations)[0]]
    answered = {address for fact in facts if isinstance(fact, HostFacts) for address in fact.answered}
    asked = frozenset(target.port_list(profile)) if isinstance(target, Target) else frozenset[int]()
    return _Checked(answered, asked, {seen.subject for seen in observations}, coverage.gaps)


@dataclass(frozen=True)
class _Checked:
    """answered: addresses.  asked: ports.  observed: subjects that were seen, which no gap of an address takes back."""

    answered: Collection[str]
    asked: Collection[int]
    observed: Collection[str]
    gaps: Sequence[Gap]

    def __call__(self, subject: str) -> bool:
        if any(gap.subject == subject for gap in self.gaps):
            return False
        if subject == "host":
            return bool(self.answered)
        match = _SUBJECT.fullmatch(subject)
        address = match["address"].strip("[]") if match else ""
        if match is None or address not in self.answered:
            return False
        port, whole = int(match["port"]), {"host", f"{match['network']}/{address}", f"{match['network']}/[{address}]"}
        left_out = any(port in _ports(gap) for gap in self.gaps if gap.subject in whole)
        return subject in self.observed or (port in self.asked and not left_out)


def _ports(gap: Gap) -> Collection[int]:
    """Return the ports that a gap of an address names; all of them when it does not say."""
    try:
        return ports.parse(gap.detail.rpartition(": ")[2])
    except InvalidInput:
        return range(1, ports.LAST_PORT + 1)
