"""Which findings of a host one scan really looked for, so that one that is gone may be called fixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

from services.process.facts import read
from services.process.rule import Rule
from shared import registry
from shared.contracts import ports
from shared.contracts.finding import Finding
from shared.contracts.job import Profile
from shared.contracts.kinds.host import HostFacts, Target
from shared.contracts.observation import Coverage, Gap, Observation
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput

_SUBJECT = re.compile(r"(?P<network>tcp|udp)/(?P<address>\[[^\]]+\]|[^:/\[]+):(?P<port>\d{1,5})")


def checked(
    target: TargetModel, profile: Profile, coverage: Coverage, observations: Sequence[Observation]
) -> Callable[[Finding], bool]:
    """Return the predicate `was_checked(finding)`: its subject was, and its rule could see. In doubt it says no.

    A port was checked when its number was asked for, its address answered, and no gap covers it. A gap is of one port
    (`tcp/ADDRESS:PORT`), or of an address (`tcp/ADDRESS`), whose `detail` ends in the ports: `no answer: 80,8000-8100`.
    """
    facts = [fact.data for fact in read("host", observations)[0]]
    answered = {address for fact in facts if isinstance(fact, HostFacts) for address in fact.answered}
    asked = frozenset(target.port_list(profile)) if isinstance(target, Target) else frozenset[int]()
    subjects = _Checked(answered, asked, {seen.subject for seen in observations}, coverage.gaps)
    return lambda finding: all(map(subjects, _places(finding))) and _sees(finding, observations)


def _places(finding: Finding) -> list[str]:
    """Return the subjects that the finding is about: its own, and those that its rule's module names."""
    named: list[str] = [place for module in _with("places", finding) for place in module.places(finding)]
    return [finding.subject, *named]


def _sees(finding: Finding, observations: Sequence[Observation]) -> bool:
    """Ask the module of the finding's rule whether it could have made the finding of `observations`, if it can tell."""
    for module in _with("sees", finding):
        view = registry.plugin(*__package__.rsplit(".", 1)).view(observations, observations[0].observed_at)
        return bool(module.sees(view, finding))
    return True


def _with(name: str, finding: Finding) -> Iterator[ModuleType]:
    """Yield the module of the finding's rule, if it has a function of this name."""
    modules = registry.plugins(__package__).values()
    return (module for module in modules if hasattr(module, name) and finding.rule in _ids(module))


def _ids(module: ModuleType) -> set[str]:
    return {value.id for value in vars(module).values() if isinstance(value, Rule)}


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
