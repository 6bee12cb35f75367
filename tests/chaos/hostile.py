"""Messages of every sort that no worker can work with, written straight into every queue.

All workers live on, and each message is in the dead letters, with the right reason and class.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from shared import testing
from shared.broker import keys
from shared.contracts.dead_letter import UNVERIFIED, Reason
from shared.contracts.job import StageName
from shared.contracts.lanes import LANES
from shared.errors import FailureClass
from shared.ids import new_id
from shared.store.engine import reading
from shared.store.tables import dead_letters
from tests.chaos import verdict
from tests.chaos.stack import STAGES, Stack
from tests.sealed import as_sent

Sound = dict[str, Any]

# What is no message at all.
ENTRIES: dict[str, bytes] = {
    "no JSON": b"not json",
    "nothing": b"",
    "a number": b"5",
    "a list": b"[1]",
    "null": b"null",
    "a text": b'"text"',
    "bytes": b"\xff\xfe\x00",
    "an empty object": b"{}",
    "nested too deep": b"[" * 100_000,
    "too large": b'{"body": "' + b"x" * 2_000_000 + b'"}',
    "no properties": b'{"body": "W10=", "headers": {}}',
}


def _body(plain: bytes) -> Callable[[Sound], None]:
    return lambda message: message.update(body=base64.b64encode(plain).decode())


def _set(**more: object) -> Callable[[Sound], None]:
    return lambda message: message.update(more)


def _header(name: str, value: object) -> Callable[[Sound], None]:
    return lambda message: message["headers"].update({name: value})


def _without(name: str) -> Callable[[Sound], None]:
    return lambda message: message["headers"].pop(name)


def _property(name: str, value: object) -> Callable[[Sound], None]:
    return lambda message: message["properties"].update({name: value})


MESSAGES: dict[str, tuple[Reason, Callable[[Sound], None]]] = {
    "body 5": (Reason.INVALID, _body(b"5")),
    "body [1]": (Reason.INVALID, _body(b"[1]")),
    "body null": (Reason.INVALID, _body(b"null")),
    "body {}": (Reason.INVALID, _body(b"{}")),
    "body no JSON": (Reason.UNDECODABLE_BODY, _body(b"{")),
    "body no UTF-8": (Reason.UNDECODABLE_BODY, _body(b"\xff\xfe")),
    "body no base64": (Reason.INVALID, _set(body="%%%")),
    "body a number": (Reason.UNDECODABLE_ENVELOPE, _set(body=5)),
    "body null itself": (Reason.UNSIGNED, _set(body=None)),
    "arguments a text": (Reason.INVALID, _body(b'["x", {}, {}]')),
    "kwargs a list": (Reason.INVALID, _body(b"[[], [], {}]")),
    "kwargs too many": (Reason.INVALID, _body(b'[[], {"a": 1}, {}]')),
    "no envelope": (Reason.INVALID, _body(b"[[], {}, {}]")),
    "an envelope of nothing": (Reason.INVALID, _body(b"[[{}], {}, {}]")),
    "a chain that is none": (Reason.INVALID, _body(b'[[], {}, {"chain": 5}]')),
    "task a list": (Reason.MALFORMED, _header("task", [1])),
    "task null": (Reason.MALFORMED, _header("task", None)),
    "task unregistered": (Reason.UNREGISTERED, _header("task", "nobody.knows")),
    "task of another service": (Reason.UNREGISTERED, _header("task", "celery.chain")),
    "no task": (Reason.NOT_A_TASK, _without("task")),
    "no id": (Reason.MALFORMED, _without("id")),
    "id a list": (Reason.MALFORMED, _header("id", [1])),
    "timelimit x": (Reason.MALFORMED, _header("timelimit", "x")),
    "timelimit [x, y]": (Reason.MALFORMED, _header("timelimit", ["x", "y"])),
    "retries x": (Reason.MALFORMED, _header("retries", "x")),
    "eta x": (Reason.MALFORMED, _header("eta", "x")),
    "expires x": (Reason.MALFORMED, _header("expires", "x")),
    "headers null": (Reason.NOT_A_TASK, _set(headers=None)),
    "headers a list": (Reason.UNDECODABLE_ENVELOPE, _set(headers=[1])),
    "pickle": (Reason.UNSIGNED, _set(**{"content-type": "application/x-python-serialize"})),
    "yaml": (Reason.UNSIGNED, _set(**{"content-type": "application/x-yaml"})),
    "properties without delivery info": (Reason.STAGE_FAILED, _property("delivery_info", None)),  # sound, but no job
}


@dataclass(frozen=True)
class Result:
    """letters: by reason, of all queues."""

    queue: str
    messages: int
    letters: dict[str, int]
    faults: list[str]


def run(stack: Stack, expected: verdict.Outcome) -> list[Result]:
    """Write all of them into every queue; then a job must go its way, through the same workers."""
    pids = {name: stack.pid(name) for name in stack.members}
    lanes = [lane for stage in StageName for lane in LANES[stage]]
    results = [_into(stack, lane, stage) for stage in StageName for lane in LANES[stage]]
    died = [name for name, pid in pids.items() if name in STAGES and stack.pid(name) != pid]
    ids = stack.submit()
    wrong = [f"the worker {name} died" for name in died]
    for view in stack.wait(ids, 60.0):
        wrong += verdict.faults(stack, view, expected)
    return [*results, Result("a job afterwards", len(lanes), {}, wrong)]


def _into(stack: Stack, lane: str, stage: StageName) -> Result:
    messages = [_changed(lane, stage, change) for _, change in MESSAGES.values()]
    before = _letters(lane)
    with stack.broker as client:
        for raw in [*ENTRIES.values(), *messages]:
            client.lpush(lane, raw)
        client.lpush(keys.wake(lane), "1")
    want = Counter(reason.value for reason, _ in MESSAGES.values())
    want[Reason.UNDECODABLE_ENVELOPE.value] += len(ENTRIES)
    found: Counter[str] = Counter()

    def is_complete() -> bool:
        nonlocal found
        found = _letters(lane) - before
        return found.total() >= want.total()

    with contextlib.suppress(AssertionError):
        testing.wait_for(is_complete, "every message is a dead letter", 30.0)
    wrong = [] if found == want else [f"too few {dict(want - found)}, too many {dict(found - want)}"]
    wrong += _of_other_class(lane)
    return Result(lane, want.total(), dict(found), wrong)


def _changed(lane: str, stage: StageName, change: Callable[[Sound], None]) -> bytes:
    message = _sound(lane, stage)
    change(message)
    return json.dumps(as_sent(message)).encode()


def _sound(lane: str, stage: StageName) -> Sound:
    """A message as Celery writes it; its job does not exist."""
    envelope = {"job_id": new_id(), "org_id": "local", "kind": "host", "lane": lane}
    return {
        "body": base64.b64encode(json.dumps([[envelope], {}, {}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"task": f"{stage}.run", "id": f"{envelope['job_id']}.{stage}", "retries": 0, "lang": "py"},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": lane, "routing_key": lane},
            "priority": 3,
            "body_encoding": "base64",
            "delivery_tag": new_id(),
        },
    }


def _letters(lane: str) -> Counter[str]:
    with reading() as connection:
        query = select(dead_letters.c.reason, dead_letters.c.count).where(dead_letters.c.queue == lane)
        found: Counter[str] = Counter()
        for reason, count in connection.execute(query):
            found[reason] += count
        return found


def _of_other_class(lane: str) -> list[str]:
    with reading() as connection:
        query = select(dead_letters.c.reason, dead_letters.c.failure_class).where(dead_letters.c.queue == lane)
        found = connection.execute(query).all()
    right = {True: FailureClass.SECURITY.value, False: FailureClass.PERMANENT.value}
    wrong = [each for each in found if each.failure_class != right[each.reason in UNVERIFIED]]
    return [f"{each.reason} is said to be {each.failure_class}" for each in wrong]
