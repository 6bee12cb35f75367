"""One drill: an undisturbed job first, then many; harm while they run; wait for all; count what they left behind."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from shared.contracts.job import JobState, JobView, StepState
from shared.contracts.submission import Options
from shared.errors import Conflict, Infrastructure
from vedette.client import Client
from vedette.drill.crew import Crew
from vedette.drill.mailbox import Mailbox
from vedette.drill.scorecard import Effects, Scorecard, fill, recovery
from vedette.drill.victim import Victim, victim

Kind = Literal["kill-worker", "drop-redis", "slow-target"]

PATIENCE_S = {"kill-worker": 0.6, "drop-redis": 0.6, "slow-target": 0.05}  # of the targets, for each answer
HARM_AFTER = 0.5  # of the jobs are over before the harm is done, so that it hits what runs
POLL_S = 0.3
USUAL_S = 90.0  # for the undisturbed job; behind other work it takes longer, and the drill would measure that
RESTART_S = 60.0
WORKERS = ("scan", "process", "report", "notify")


class NotUsual(Infrastructure):
    """Not even the undisturbed job went well; a drill would show nothing."""


class TooQuick(Conflict):
    """All jobs were over before the harm could be done."""


@dataclass
class Trial:
    """What is to be tried, and how it is told.

    worker: the one to be killed; empty for a random one of those at work.  is_notifying: count notifications as well.
    """

    client: Client
    kind: Kind
    jobs: int
    timeout_s: float
    is_notifying: bool
    worker: str = ""
    note: Callable[[str], None] = print
    watch: Callable[[Sequence[JobView]], None] = lambda _: None
    batch_id: str = ""
    _harmed_at: float = field(default=0.0, init=False)
    _stage: str = field(default="", init=False)

    def run(self) -> Scorecard:
        """Carry it out. Raises NotUsual, TooQuick, NoVictim, NoListener, and what the gateway refuses."""
        began = time.monotonic()
        with Crew(self.jobs, PATIENCE_S[self.kind]) as crew, Mailbox() as box:
            self.note("one undisturbed job first, to see what it leaves behind")
            usual = self._usual(crew, box)
            receipt = self.client.submit(self._targets(crew), self._options(box))
            self.batch_id = receipt.batch_id or ""
            card = Scorecard(self.kind, len(receipt.jobs), batch_id=self.batch_id)
            end = time.monotonic() + self.timeout_s
            if self.kind != "slow-target":
                self._harm(card, end)
            jobs = self._await(end)
            odd = jobs[0] if self.kind == "slow-target" and jobs else None
            effects = [self._effects(job, box, is_odd=job is odd) for job in jobs if job.state.is_terminal]
            fill(card, jobs, effects, usual)
            self._times(card, jobs, effects)
        card.total_s = round(time.monotonic() - began, 1)
        return card

    def _usual(self, crew: Crew, box: Mailbox) -> Effects:
        target = {"kind": "host", "host": crew.host, "ports": str(crew.ports[0])}
        job = self.client.submit([target], self._options(box)).jobs[0]
        ended = self.client.wait(job.id, USUAL_S)
        if ended.state is JobState.PARTIAL and self.is_notifying and not box.told(job.id):
            self.is_notifying = False
            self.note("the stack does not notify a receiver on this machine; notifications are not counted")
        elif ended.state is not JobState.SUCCEEDED:
            why = ended.failure.message if ended.failure else "no reason given"
            raise NotUsual(f"An undisturbed job ended as {ended.state}: {why}", cure=f"vedette jobs get {job.id[-8:]}")
        return self._effects(ended, box)

    def _targets(self, crew: Crew) -> list[dict[str, str]]:
        ports = list(crew.ports)
        if self.kind == "slow-target":
            ports[0] = crew.tarpit
        return [{"kind": "host", "host": crew.host, "ports": str(port)} for port in ports]

    def _options(self, box: Mailbox) -> Options:
        notify = [box.url] if self.is_notifying else []
        return Options(reports=["json", "csv"], notify=notify, tags={"drill": self.kind})

    def _harm(self, card: Scorecard, end: float) -> None:
        """Wait until a part of the jobs is over and others run; then kill, and see that the child comes back."""
        hurt = self._choose(end)
        self.note(f"killing {hurt.name} (pid {hurt.pid}) with SIGKILL")
        self._harmed_at = hurt.kill()
        self._stage = hurt.name if hurt.name in WORKERS else ""
        card.harm = f"{hurt.name} (pid {hurt.pid}) killed"
        after_s = hurt.await_successor(RESTART_S)
        if after_s is None:
            card.failures.append(f"{hurt.name} was not running again within {RESTART_S:g} s")
        else:
            card.restart_s = round(after_s, 1)
            self.note(f"{hurt.name} runs again after {after_s:.1f} s")

    def _choose(self, end: float) -> Victim:
        while time.monotonic() < end:
            jobs = self._look()
            over = sum(job.state.is_terminal for job in jobs)
            if over == len(jobs):
                break
            at_work = sorted(_at_work(jobs))
            if at_work and over >= int(len(jobs) * HARM_AFTER):
                name = self.worker or random.choice(at_work)  # noqa: S311  no secret
                if self.kind == "drop-redis" or name in at_work:
                    return victim("redis" if self.kind == "drop-redis" else name)
            time.sleep(POLL_S / 3)
        raise TooQuick("All jobs were over before anything could be harmed.", cure="Give more of them: --jobs 40")

    def _look(self) -> list[JobView]:
        jobs = self.client.batch(self.batch_id)
        self.watch(jobs)
        return jobs

    def _await(self, end: float) -> list[JobView]:
        """Return the jobs when all are over, or as they are at the end. A gateway that is away is asked again."""
        jobs: list[JobView] = []
        while True:
            try:
                jobs = self._look()
            except Infrastructure as exc:
                if time.monotonic() > end:
                    raise
                self.note(exc.message)
            if (jobs and all(job.state.is_terminal for job in jobs)) or time.monotonic() > end:
                return jobs
            time.sleep(POLL_S)

    def _effects(self, job: JobView, box: Mailbox, *, is_odd: bool = False) -> Effects:
        told = box.told(job.id) if self.is_notifying else None
        client = self.client
        found, written = client.findings(job.id), client.reports(job.id)
        return Effects(job, found, written, client.timeline(job.id), told, is_odd)

    def _times(self, card: Scorecard, jobs: Sequence[JobView], effects: Sequence[Effects]) -> None:
        if self._harmed_at and (found := recovery(effects, self._harmed_at, self._stage)):
            card.recovery_s, card.behind = round(found[0], 1), found[1]
        is_slow = self.kind == "slow-target"
        quick = [job.ran_s for job in jobs[is_slow:] if job.ran_s is not None]
        card.slowest_job_s = round(max(quick), 1) if quick else None
        card.tarpit_s = jobs[0].ran_s if is_slow and jobs else None


def _at_work(jobs: Sequence[JobView]) -> set[str]:
    """Return the workers that have a step of these jobs in their hands."""
    return {step.stage.value for job in jobs for step in job.steps if step.state is StepState.RUNNING and not step.part}
