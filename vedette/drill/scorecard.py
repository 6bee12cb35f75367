"""What a drill showed: how many jobs ended, what was lost, what was done twice, and how soon it went on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.contracts.events import Event, EventType
from shared.contracts.finding import ChangeState, Finding
from shared.contracts.job import JobState, JobView
from shared.contracts.report import ReportView

EARLIER = {ChangeState.FIXED, ChangeState.STANDING}
GOOD = {JobState.SUCCEEDED}


@dataclass(frozen=True)
class Effects:
    """What one job left behind. notices: how often somebody was told; None when nobody counted.

    is_odd: its target is another than that of the undisturbed job, so that it has other findings.
    """

    job: JobView
    findings: Sequence[Finding]
    reports: Sequence[ReportView]
    timeline: Sequence[Event]
    notices: int | None = None
    is_odd: bool = False


@dataclass
class Scorecard:
    """The result. `lost`: jobs that did not end in time.  twice_*: effects that are there more than once.

    missing: effects that an undisturbed job has and these have not.  redelivered: steps that were taken up again.
    recovery_s: from the harm until the last of them ran again, `behind` others; or else until the next step began.
    restart_s: until the supervisor had the killed child running again.  Times are in seconds.
    """

    drill: str
    submitted: int
    harm: str = ""
    ended: int = 0
    states: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    twice_findings: int = 0
    twice_reports: int = 0
    twice_notifications: int | None = None
    missing: int = 0
    redelivered: int = 0
    recovery_s: float | None = None
    behind: int = 0
    restart_s: float | None = None
    slowest_job_s: float | None = None
    tarpit_s: float | None = None
    total_s: float = 0.0
    batch_id: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def twice(self) -> int:
        """Effects that are there more than once."""
        return self.twice_findings + self.twice_reports + (self.twice_notifications or 0)

    @property
    def is_passed(self) -> bool:
        return not (self.failures or self.lost or self.twice or self.missing) and self.ended == self.submitted


def fill(card: Scorecard, jobs: Sequence[JobView], effects: Iterable[Effects], usual: Effects) -> None:
    """Count what the jobs of a drill left behind, against an undisturbed one."""
    over = [job for job in jobs if job.state.is_terminal]
    card.ended, card.lost = len(over), card.submitted - len(over)
    card.states = dict(Counter(job.state.value for job in jobs))
    card.failures += [
        f"{job.id[-8:]} {job.state}: {job.failure.message if job.failure else 'no reason given'}"
        for job in over
        if job.state not in GOOD
    ]
    rules = {finding.rule for finding in _own(usual.findings)}
    forms = {report.format for report in usual.reports}
    for each in effects:
        _count(card, each, rules, forms)


def _count(card: Scorecard, each: Effects, rules: set[str], forms: set[str]) -> None:
    found = Counter((finding.rule, finding.subject) for finding in _own(each.findings))
    written = Counter(report.format for report in each.reports)
    card.twice_findings += sum(count - 1 for count in found.values())
    card.twice_reports += sum(count - 1 for count in written.values())
    if each.job.state in GOOD:
        card.missing += len(forms - set(written)) + (0 if each.is_odd else len(rules - {rule for rule, _ in found}))
    if each.notices is not None:
        card.twice_notifications = (card.twice_notifications or 0) + max(each.notices - 1, 0)
        card.missing += each.job.state in GOOD and not each.notices
    card.redelivered += len(again(each.timeline))


def recovery(effects: Iterable[Effects], harmed_at: float, stage: str = "") -> tuple[float, int] | None:
    """Return the seconds from `harmed_at` (unix time) until the last redelivered step ran, and how many went before.

    Without a redelivered step: until the next step (of `stage`, if given) began. None when nothing began any more.
    """
    begun: list[float] = []
    resumed: list[float] = []
    for each in effects:
        starts = [event for event in each.timeline if event.type is EventType.STAGE_STARTED]
        begun += [_since(harmed_at, event) for event in starts if event.stage == stage or not stage]
        resumed += [_since(harmed_at, event) for event in again(each.timeline)]
    begun = [seconds for seconds in begun if seconds >= 0.0]
    last = max((seconds for seconds in resumed if seconds >= 0.0), default=None)
    if last is None:
        return (min(begun), 0) if begun else None
    return last, sum(seconds < last for seconds in set(begun) - set(resumed))


def again(timeline: Sequence[Event]) -> list[Event]:
    """Return the starts of steps that had begun before and were not put off in between: a delivery was lost."""
    running: set[tuple[str, str]] = set()
    found = []
    for event in timeline:
        key = (event.stage, event.part)
        if event.type is EventType.STAGE_STARTED:
            if key in running:
                found.append(event)
            running.add(key)
        elif event.type in {EventType.STAGE_RETRYING, EventType.STAGE_FINISHED, EventType.STAGE_FAILED}:
            running.discard(key)
    return found


def _since(harmed_at: float, event: Event) -> float:
    return event.at.timestamp() - harmed_at


def _own(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings of the job itself, without those of earlier scans of the place."""
    return [finding for finding in findings if finding.change not in EARLIER]
