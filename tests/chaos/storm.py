"""Many jobs, while workers and `control` die at random every other second and Redis dies twice."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Self

from shared.errors import Infrastructure
from tests.chaos import verdict
from tests.chaos.stack import CONTROL, STAGES, Stack


@dataclass(frozen=True)
class Plan:
    """every_s: between two kills.  timeout_s: for each of the waits."""

    every_s: float = 2.0
    redis_kills: int = 2
    timeout_s: float = 600.0
    seed: int = 1


@dataclass(frozen=True)
class Result:
    """told: notifications of all jobs.  gaps: jobs whose receiver may not have been told, and which say so."""

    jobs: int
    seconds: float
    kills: dict[str, int]
    states: dict[str, int]
    told: int
    gaps: int
    deliveries: int
    faults: list[str]


def run(stack: Stack, jobs: int, plan: Plan, expected: verdict.Outcome) -> Result:
    """Submit `jobs` in tens, break things until nearly all have ended, and count what became of them."""
    weather = Weather(stack, plan)
    started = time.monotonic()
    with weather:
        ids = [job_id for _ in range(jobs // 10) for job_id in stack.submit(10)]
        for number in range(plan.redis_kills):
            _wait_for_share(stack, ids, (number + 1) / (plan.redis_kills + 2), plan.timeout_s)
            weather.kill_redis()
        _wait_for_share(stack, ids, 0.9, plan.timeout_s)
    views = stack.wait(ids, plan.timeout_s)
    seconds = time.monotonic() - started
    wrong = [] if stack.wait_for_quiet(60.0) else ["messages are left"]
    wrong += [
        f"{view.id[-8:]}: {fault}"
        for view in views
        for fault in verdict.faults(stack, view, expected, gap_may_be=True) + verdict.twice_at_once(stack, view.id)
    ]
    outcomes = [verdict.outcome(stack, view) for view in views]
    return Result(
        jobs=len(views),
        seconds=seconds,
        kills=dict(weather.kills),
        states=dict(Counter(view.state.value for view in views)),
        told=sum(outcome.told for outcome in outcomes),
        gaps=sum(outcome.is_gap_explained for outcome in outcomes),
        deliveries=sum(verdict.deliveries(stack, job_id, stage) for job_id in ids for stage in STAGES),
        faults=wrong,
    )


class Weather:
    """Kills a worker with all its children, or a child alone, every so often while its block runs."""

    def __init__(self, stack: Stack, plan: Plan) -> None:
        self.kills: Counter[str] = Counter()
        self._stack = stack
        self._every_s = plan.every_s
        self._chance = random.Random(plan.seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def kill_redis(self) -> None:
        self._stack.server.stop(signal.SIGKILL)
        self._stack.server.start()
        self.kills["redis"] += 1

    def _run(self) -> None:
        """What is not ready is not killed again: nothing would ever run."""
        while not self._stop.wait(self._every_s):
            name = self._chance.choice((*STAGES, CONTROL))
            if not self._stack.is_ready(name):
                continue
            is_whole = self._chance.random() < 0.5
            (self._stack.kill if is_whole else self._stack.kill_child)(name)
            self.kills["worker" if is_whole else "child"] += 1


def _wait_for_share(stack: Stack, ids: list[str], share: float, timeout_s: float) -> None:
    """Wait until this share of the jobs has ended, or the time is up."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(Infrastructure):
            if sum(view.state.is_terminal for view in stack.views(ids)) >= share * len(ids):
                return
        time.sleep(0.5)
