"""A real worker with places at which it can be killed: `celery -A tests.chaos.points worker`, CHAOS_STAGE=scan.

The service is the real one, and knows nothing of this: functions it calls are wrapped as this module is imported. A
file `armed` in CHAOS_DIR names one stage, instant and victim; who comes to that place renames the file, so that it is
hit exactly once, and kills itself with SIGKILL.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from celery import Celery, current_task, signals
from kombu import Message
from kombu.transport.virtual.base import Transport

from services.scan.kinds import host
from shared.contracts.job import StageName
from shared.errors import Permanent
from shared.layers import ledger
from shared.store.engine import Connection
from tests.chaos import notes
from tests.chaos.cells import Instant, Who

FOLDER = Path(os.environ["CHAOS_DIR"])
STAGE = StageName(os.environ["CHAOS_STAGE"])


def strike(instant: Instant, *victims: Who) -> None:
    """Die here, if this is the place that is armed and the victim one of those that die here."""
    try:
        plan = json.loads((FOLDER / "armed").read_text())
    except (OSError, ValueError):
        return
    who = Who(plan["who"])
    if (plan["stage"], plan["instant"]) != (STAGE, instant) or who not in victims:
        return
    try:
        (FOLDER / "armed").rename(FOLDER / "fired")
    except FileNotFoundError:
        return  # another process was faster
    _kill({Who.CHILD: os.getpid(), Who.WORKER: -os.getpgrp(), Who.PARENT: os.getpgrp()}[who])


def _kill(victim: int) -> None:
    """Kill a process, or where negative a group: each worker was started as the leader of one."""
    notes.write(FOLDER, notes.KILLED, victim=victim)
    os.kill(victim, signal.SIGKILL)


def _wrap(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(wrapper(original)))


def _deliver(original: Callable[..., Any]) -> Callable[..., Any]:
    def deliver(self: Transport, message: Any, queue: str) -> Any:
        strike(Instant.CLAIMED, Who.WORKER, Who.PARENT)
        return original(self, message, queue)

    return deliver


def _ack(original: Callable[..., Any]) -> Callable[..., Any]:
    def ack(self: Message, *arguments: Any, **more: Any) -> Any:
        strike(Instant.PUBLISHED, Who.WORKER, Who.PARENT)
        return original(self, *arguments, **more)

    return ack


def _take(original: Callable[..., Any]) -> Callable[..., Any]:
    def take(*arguments: Any, **more: Any) -> Any:
        taken = original(*arguments, **more)
        if not taken.key.part and not taken.is_over:
            notes.write(FOLDER, notes.TAKEN, task=str(current_task.request.id))
            strike(Instant.TAKEN, *Who)
            _die_of(taken.key.job_id)
            time.sleep(_slowness_s())
        return taken

    return take


def _commit(original: Callable[..., Any]) -> Callable[..., Any]:
    def commit(part: ledger.Part) -> None:
        if not part.taken.key.part and (FOLDER / f"broken-{STAGE}").exists():
            raise Permanent((FOLDER / f"broken-{STAGE}").read_text())
        part.writes.append(_last_write)
        original(part)
        if not part.taken.key.part:
            strike(Instant.COMMITTED, *Who)

    return commit


def _last_write(_connection: Connection) -> None:
    strike(Instant.DONE, *Who)  # everything is written, nothing is committed


def _scan(original: Callable[..., Any]) -> Callable[..., Any]:
    async def scan(target: Any, run: Any) -> Any:
        notes.write(FOLDER, notes.SCANNED, task=str(current_task.request.id))
        return await original(target, run)

    return scan


def _die_of(job_id: str) -> None:
    """Die whenever this job comes, if it is one of those that kill whoever works on them."""
    with contextlib.suppress(OSError):
        who = Who((FOLDER / f"deadly-{STAGE}-{job_id}").read_text())
        _kill(os.getpid() if who is Who.CHILD else -os.getpgrp())


def _slowness_s() -> float:
    try:
        return float((FOLDER / f"slow-{STAGE}").read_text())
    except (OSError, ValueError):
        return 0.0


@signals.task_prerun.connect(weak=False)
def _started(task_id: str, **_: object) -> None:
    notes.write(FOLDER, notes.STARTED, task=task_id)
    strike(Instant.CLAIMED, Who.CHILD)


@signals.task_success.connect(weak=False)
def _succeeded(**_: object) -> None:
    strike(Instant.PUBLISHED, Who.CHILD)


@signals.task_postrun.connect(weak=False)
def _ended(task_id: str, **_: object) -> None:
    notes.write(FOLDER, notes.ENDED, task=task_id)


_wrap(Transport, "_deliver", _deliver)
_wrap(Message, "ack", _ack)
_wrap(ledger, "_take", _take)
_wrap(ledger, "_commit", _commit)
_wrap(host, "scan", _scan)

app: Celery = importlib.import_module(f"services.{STAGE}").app
