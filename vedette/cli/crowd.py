"""The view of many jobs at once: a compact table that moves, with totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from shared.contracts.job import JobState, JobView
from vedette.cli import live, words
from vedette.cli.moving import Moving
from vedette.cli.words import Marks

MARGIN = 5  # lines of a terminal that the table leaves free
_ORDER = [
    *(JobState.RUNNING, JobState.RETRYING, JobState.CANCELLING, JobState.FAILED, JobState.DEAD, JobState.PARTIAL),
    *(JobState.SUCCEEDED, JobState.CANCELLED, JobState.QUEUED, JobState.SCHEDULED),
]


class Crowd(Moving):
    """Shows the jobs of a batch until its block ends. Without a terminal: one line for each job that is over."""

    def __init__(self, console: Console, *, is_quiet: bool) -> None:
        super().__init__(console, is_quiet=is_quiet)
        self._told: set[str] = set()

    def update(self, jobs: Sequence[JobView]) -> None:
        if self._is_quiet:
            return
        if not self._console.is_terminal:
            self._log(jobs)
            return
        self.move(table(jobs, self._console, self._signs))

    def _log(self, jobs: Sequence[JobView]) -> None:
        for job in jobs:
            if job.state.is_terminal and job.id not in self._told:
                self._told.add(job.id)
                text = f"{len(self._told)} of {len(jobs)}  {words.line(job.target)}  {outcome(job, self._signs)}"
                self._console.print(Text(text), soft_wrap=True)


def table(jobs: Sequence[JobView], console: Console, signs: Marks) -> Group:
    """Return as many jobs as fit on the screen, those that move first, above the totals."""
    ordered = sorted(jobs, key=lambda job: _ORDER.index(job.state))
    room = max(console.height - MARGIN, 3)
    grid = Table.grid(padding=(0, 2))
    for _ in range(4):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for job in ordered[:room]:
        state = Text(job.state, words.STATE_STYLES.get(job.state, ""))
        grid.add_row(Text(words.short(job.id), "dim"), Text(words.line(job.target)), state, _detail(job, signs))
    hidden = len(ordered) - room
    rest = [Text(f"{signs.more} {hidden} more", "dim")] if hidden > 0 else []
    return Group(grid, *rest, totals(jobs, signs))


def totals(jobs: Sequence[JobView], signs: Marks) -> Text:
    """`12 of 64 over · 3 running · 49 queued · 1 critical · 4 high`"""
    states = Counter(job.state for job in jobs)
    over = sum(count for state, count in states.items() if state.is_terminal)
    facts = [f"{over} of {len(jobs)} over"]
    facts += [f"{states[state]} {state}" for state in _ORDER if states[state] and state is not JobState.SUCCEEDED]
    found = severities(jobs)
    if found:
        facts.append(words.counts(found, signs))
    return Text(f" {signs.dot} ".join(facts), "bold")


def severities(jobs: Sequence[JobView]) -> dict[str, int]:
    """Return the findings of all jobs by severity."""
    found: Counter[str] = Counter()
    for job in jobs:
        found.update({name: count for name, count in job.severities.items() if count})
    return dict(found)


def outcome(job: JobView, signs: Marks) -> str:
    """`succeeded  score 71 (C)  1 critical · 3 high`"""
    if job.score is None:
        return f"{job.state}  {words.line(job.failure.message)}" if job.failure else str(job.state)
    return f"{job.state}  score {job.score} ({job.grade})  {words.counts(job.severities, signs)}"


def _detail(job: JobView, signs: Marks) -> Text:
    if job.score is not None:
        return Text(f"{job.score:3d} {job.grade}  {words.counts(job.severities, signs)}")
    if job.failure:
        return Text(words.line(job.failure.message), "red")
    step = live.running(job)
    if step is None:
        return Text()
    so_far = step.progress
    tail = f" {live.percent(so_far)} {live.doing(so_far, signs)}" if so_far else ""
    return Text(f"{step.stage}{tail}", "cyan")
