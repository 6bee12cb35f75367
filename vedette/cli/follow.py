"""Follow a job to its end: by its event stream, and by asking now and then, so that a lost stream loses nothing.

The events say that something happened; what a step looks like is always read from the job itself.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from shared.contracts.events import Event, EventType
from shared.contracts.job import JobView, Progress, StepState
from shared.errors import VedetteError
from vedette.cli import words
from vedette.client import Client, timed_out
from vedette.refusals import GatewayFailed, TooMany, Unreachable, WaitTimedOut

ASK_EVERY_S = 2.0  # without any event; also how soon the end of a job is noticed without a stream
PATIENCE_S = 60.0  # how long the gateway may be away: a restart takes seconds, a reboot a minute
RECONNECT_S = (0.2, 0.5, 1.0, 2.0)

Note = Callable[[str], None]
Answer = TypeVar("Answer")
AWAY = (Unreachable, GatewayFailed, TooMany)


class Feed:
    """The events of one job, read by a thread of its own, so that whoever waits for them can also watch the clock."""

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._last = 0
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._closed = threading.Event()
        threading.Thread(target=self._run, name=f"events-{job_id[-8:]}", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what came in: at least one event, or nothing after `timeout_s`."""
        try:
            found = [self._events.get(timeout=max(timeout_s, 0.01))]
        except queue.Empty:
            return []
        while not self._events.empty():
            found.append(self._events.get())
        return found

    def _run(self) -> None:
        failures = 0
        while not self._closed.is_set():
            try:
                is_over = False  # an end in the middle is that of an earlier run
                for event in self._client.events(self._job_id, self._last):
                    failures = 0
                    self._last = max(self._last, event.id)
                    self._events.put(event)
                    is_over = event.type is EventType.JOB_FINISHED
                    if self._closed.is_set():
                        return
                if is_over:
                    return
            except AWAY:
                pass  # whoever asks for the job itself notices, and says so
            except (VedetteError, RuntimeError):
                return  # no stream here, or the client was closed: asking now and then is enough
            self._closed.wait(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            failures += 1


def follow(client: Client, job: JobView, *, timeout_s: float | None, note: Note) -> Iterator[JobView]:
    """Yield the job whenever something changed, last when it is over. Raises WaitTimedOut, and Unreachable when the
    gateway stays away for a minute; shorter absences are told to `note`.
    """
    end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    asking = Patience(note)
    feed = Feed(client, job.id)
    ask = partial(client.job, job.id)
    try:
        yield job
        while not job.state.is_terminal:
            if time.monotonic() >= end:
                raise timed_out(job.id, timeout_s or 0.0)
            events = feed.wait(min(ASK_EVERY_S, end - time.monotonic()))
            moved = progressed(job, events)
            if moved is None:
                asked = asking.ask(ask)
                moved = ahead(job, asked) if asked else job
            job = moved
            yield job
    finally:
        feed.close()


def follow_batch(client: Client, batch_id: str, *, timeout_s: float | None, note: Note) -> Iterator[list[JobView]]:
    """Yield the jobs of a batch again and again, last when all are over. Raises like `follow`."""
    end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
    asking = Patience(note)
    while True:
        began = time.monotonic()
        jobs = asking.ask(lambda: client.batch(batch_id))
        if jobs:
            yield jobs
            if all(job.state.is_terminal for job in jobs):
                return
        if time.monotonic() >= end:
            raise _batch_timed_out(batch_id, jobs or [], timeout_s or 0.0)
        took_s = time.monotonic() - began
        time.sleep(max(min(max(0.5, took_s * 3), end - time.monotonic()), 0.0))  # at most a quarter of the time


def _batch_timed_out(batch_id: str, jobs: list[JobView], after_s: float) -> WaitTimedOut:
    still = sum(not job.state.is_terminal for job in jobs)
    return WaitTimedOut(
        f"{still} of {len(jobs)} jobs are not over after {after_s:g} s.",
        cure=f"vedette jobs watch --batch {words.short(batch_id)}",
    )


class Patience:
    """Asks a gateway that may be away for a while."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._away_since: float | None = None

    def ask(self, question: Callable[[], Answer]) -> Answer | None:
        """Return the answer, or None while there is none. Raises what came last when that takes too long."""
        try:
            answer = question()
        except AWAY as exc:
            now = time.monotonic()
            if self._away_since is None:
                self._away_since = now
                self._note(f"{exc.message} The job goes on; trying again for {PATIENCE_S:.0f} s.")
            if now - self._away_since > PATIENCE_S:
                raise
            time.sleep(RECONNECT_S[0])
            return None
        if self._away_since is not None:
            self._away_since = None
            self._note("The gateway answers again.")
        return answer


def progressed(job: JobView, events: list[Event]) -> JobView | None:
    """Return the job with the progress that `events` tell, or None when it must be asked for."""
    if not events or any(event.type is not EventType.STAGE_PROGRESSED for event in events):
        return None
    steps = list(job.steps)
    for event in events:
        for place, step in enumerate(steps):
            if step.stage == event.stage and step.part == event.part:
                steps[place] = step.model_copy(update={"progress": Progress.model_validate(event.data)})
    return job.model_copy(update={"steps": steps})


def ahead(seen: JobView, asked: JobView) -> JobView:
    """Return `asked` with the progress that was `seen` in events where it is ahead: the store is told once a second."""
    before = {(step.stage, step.part, step.attempt): step.progress for step in seen.steps}
    steps = []
    for step in asked.steps:
        told = before.get((step.stage, step.part, step.attempt))
        if told and step.state is StepState.RUNNING and _is_ahead(told, step.progress):
            step = step.model_copy(update={"progress": told})  # noqa: PLW2901
        steps.append(step)
    return asked.model_copy(update={"steps": steps})


def _is_ahead(told: Progress, kept: Progress | None) -> bool:
    return kept is None or ((told.unit, told.total) == (kept.unit, kept.total) and told.done > kept.done)
