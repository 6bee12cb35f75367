"""Which subjects of a host one scan really checked, so that a finding that is gone may be called fixed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from services.process.facts import read
from shared.contracts.job import Profile
from shared.contracts.kinds.host import HostFacts, Target
from shared.contracts.observation import Coverage, Observation
from shared.contracts.target import TargetModel

_SUBJECT = re.compile(r"(?P<network>tcp|udp)/(?P<address>\[[^\]]+\]|[^:/]+)(?::(?P<port>\d{1,5}))?")


def checked(
    target: TargetModel, profile: Profile, coverage: Coverage, observations: Sequence[Observation]
) -> Callable[[str], bool]:
    """Return the predicate `was_checked(subject)`. In doubt it says no.

    A port was checked when its number was asked for, its address answered, and no gap names it. A gap that names no
    single port (`host`, `tcp/ADDRESS`) may stand for any of its ports, save those that were observed nevertheless.
    """
    asked = frozenset(target.port_list(profile)) if isinstance(target, Target) else frozenset[int]()
    answered = {address for fact in read("host", observations)[0] for address in _answered(fact.data)}
    observed = {seen.subject for seen in observations}
    gaps = {gap.subject for gap in coverage.gaps}

    def was_checked(subject: str) -> bool:
        if subject in gaps:
            return False
        if subject == "host":
            return bool(answered)
        match = _SUBJECT.fullmatch(subject)
        if match is None or match["port"] is None or match["address"].strip("[]") not in answered:
            return False
        if subject in observed:
            return True
        whole = {"host", f"{match['network']}/{match['address']}", match["address"], match["address"].strip("[]")}
        return int(match["port"]) in asked and not whole & gaps

    return was_checked


def _answered(data: object) -> list[str]:
    return data.answered if isinstance(data, HostFacts) else []
