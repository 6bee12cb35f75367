"""Draw the pictures of the documents: `make pictures`. Runs a stack of its own, and hurts its jobs on purpose.

Its argument is another folder to write them into.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docs.pictures import stage
from docs.pictures.capture import save
from shared.contracts.job import JobView, StageName, StepState
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from vedette import stack
from vedette.client import Client
from vedette.drill.crew import Crew
from vedette.drill.mailbox import Mailbox
from vedette.drill.victim import victim

PATIENCE_S = 60.0  # for anything to come about
POLL_S = 0.1
PORTS = 12  # that answer, each after `ANSWER_S`
ANSWER_S = 0.25
SETTLE_S = 3.0  # the last spans of a job come after its end


class NotDrawn(Exception):
    """What a picture was to show did not come about."""


@dataclass
class Studio:
    """A running stack, and what its jobs speak to."""

    client: Client
    mailbox: Mailbox
    crew: Crew
    folder: Path

    def submit(self) -> JobView:
        ports = ",".join(str(port) for port in self.crew.ports)
        options = Options(reports=["pdf", "html", "json"], notify=[self.mailbox.url])
        target = Target(host=self.crew.host, ports=ports)
        return self.client.submit([target], options).jobs[0]

    def draw(self, name: str, job: JobView, *options: str) -> None:
        command = " ".join(("vedette jobs trace", job.id[-8:], *options))
        save(self.folder / f"{name}.svg", command, self.client.traces.of_job(job.id))

    def end(self, job: JobView) -> None:
        """Wait until a job is over, and its last spans are there."""
        self.client.wait(job.id, PATIENCE_S)
        until("its spans have come", lambda: not self.client.traces.of_job(job.id).is_live)
        time.sleep(SETTLE_S)


def main(folder: Path) -> None:
    with stage.stack(), Mailbox() as mailbox, Crew(PORTS, ANSWER_S) as crew:
        found = stack.connect()
        if found is None:
            raise NotDrawn("The stack has not come up.")
        with Client(found.url, found.token) as client:
            studio = Studio(client, mailbox, crew, folder)
            retried(studio)
            killed(studio)
            replayed(studio)


def retried(studio: Studio) -> None:
    """A receiver that is busy at first, so that `notify` is tried again; and the same while the scan still runs."""
    studio.mailbox.answers = [503]
    job = studio.submit()
    until("the scan runs", lambda: is_running(studio, job))
    time.sleep(ANSWER_S * 2)
    studio.draw("trace-live", job, "--follow")
    studio.end(job)
    studio.draw("trace-retry", job)


def killed(studio: Studio) -> None:
    """A worker that dies while it scans; another takes the job over."""
    job = studio.submit()
    until("the scan runs", lambda: is_running(studio, job))
    time.sleep(ANSWER_S * 2)
    victim("scan").kill()
    studio.end(job)
    studio.draw("trace-killed", job)


def replayed(studio: Studio) -> None:
    """A receiver that refuses, and the replay after it was put right."""
    studio.mailbox.answers = [400]
    job = studio.submit()
    studio.client.wait(job.id, PATIENCE_S)
    until("there is a dead letter", lambda: bool(_letters(job)))
    stage.run("dlq", "replay", _letters(job)[0], "--wait")
    studio.end(job)
    studio.draw("trace-replay", job)


def _letters(job: JobView) -> list[str]:
    return stage.run("dlq", "list", "-q", f"job:{job.id}", "-o", "id").split()


def is_running(studio: Studio, job: JobView) -> bool:
    return any(
        step.stage is StageName.SCAN and step.state is StepState.RUNNING for step in studio.client.job(job.id).steps
    )


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait until something is so. Raises NotDrawn."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            raise NotDrawn(f"Not within {PATIENCE_S:.0f} s: {what}.")
        time.sleep(POLL_S)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
