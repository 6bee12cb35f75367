"""One scanner per kind of target. A module has `async def scan(target, run) -> Result`.

The registry finds it by its name, which is the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.contracts.job import Profile, Progress
from shared.contracts.observation import Coverage, Observation
from shared.policy import Reach


@dataclass(frozen=True)
class Run:
    """What a scanner is given: how deep to look, whom to tell of progress, and when to stop.

    deadline: on the clock of `time.monotonic`; a scanner ends before it and records the rest as gaps.
    within: what the organisation may scan; every address that is connected to is asked about.
    refused: told of the rule and the address or port, for each that was not connected to for its sake.
    progress: may be called as often as the scanner likes; it is throttled by the caller. It raises when the job
    was cancelled, and a scanner lets that pass.
    """

    profile: Profile
    deadline: float
    progress: Callable[[Progress], None] = lambda _: None
    within: Reach = field(default_factory=Reach)
    refused: Callable[[str, str], None] = lambda _rule, _what: None


@dataclass(frozen=True)
class Result:
    """What a scanner gives back. `summary` is one line for people, e.g. `1000 ports · 5 open`."""

    coverage: Coverage
    observations: list[Observation] = field(default_factory=list)
    summary: str = ""
