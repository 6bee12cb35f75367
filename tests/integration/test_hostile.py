"""Everything that can lie in a queue, written raw into the queue of each of the four running services."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared import testing
from shared.broker import keys
from shared.contracts.dead_letter import UNVERIFIED, DeadLetterEntry, Reason
from shared.contracts.job import JobState, StageName
from shared.contracts.lanes import LANES
from shared.errors import FailureClass
from tests.integration.conftest import Stack, built
from tests.sealed import as_sent

SERVICES = [stage.value for stage in StageName]
ENVELOPE = {"job_id": "none", "org_id": "org", "kind": "host", "lane": "scan"}
DEEP = "[" * 5000 + "]" * 5000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, Path], str]) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("hostile")
    with built(folder, new_database("sqlite", folder)) as made:
        yield made


def message(lane: str, task: str, body: object = None, headers: object = None, **properties: Any) -> dict[str, Any]:
    """A message as kombu writes it. `headers` are added to good ones, or stand instead if they are no mapping."""
    good = {"lang": "py", "task": task, "id": f"none.{lane}", "retries": 0, "timelimit": [None, None], "eta": None}
    return {
        "body": base64.b64encode(json.dumps([[ENVELOPE], {}, {}] if body is None else body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {**good, **headers} if isinstance(headers, dict) else good if headers is None else headers,
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": lane, "routing_key": lane},
            "delivery_tag": str(uuid.uuid4()),
            "priority": 0,
            **properties,
        },
    }


def without(made: dict[str, Any], *path: str) -> dict[str, Any]:
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return made


def in_nine_days() -> str:
    return (datetime.now(UTC) + timedelta(days=9)).isoformat()


Made = Callable[[str, str], object]
NO_ENVELOPE, BAD_BODY, NO_TASK = Reason.UNDECODABLE_ENVELOPE, Reason.UNDECODABLE_BODY, Reason.NOT_A_TASK
UNKNOWN, INVALID, MALFORMED = Reason.UNREGISTERED, Reason.INVALID, Reason.MALFORMED
UNSIGNED = Reason.UNSIGNED

VARIANTS: dict[str, tuple[Reason, Made]] = {
    # no message at all
    "text": (NO_ENVELOPE, lambda lane, task: b"hello"),
    "bytes": (NO_ENVELOPE, lambda lane, task: b"\x80\x04\xff\x00"),
    "number": (NO_ENVELOPE, lambda lane, task: 5),
    "null": (NO_ENVELOPE, lambda lane, task: None),
    "list": (NO_ENVELOPE, lambda lane, task: []),
    "empty object": (NO_ENVELOPE, lambda lane, task: {}),
    "deep nesting": (NO_ENVELOPE, lambda lane, task: DEEP.encode()),
    "no properties": (NO_ENVELOPE, lambda lane, task: without(message(lane, task), "properties")),
    "no tag": (NO_ENVELOPE, lambda lane, task: without(message(lane, task), "properties", "delivery_tag")),
    "tag is a number": (NO_ENVELOPE, lambda lane, task: message(lane, task, delivery_tag=5)),
    "unknown codec": (NO_ENVELOPE, lambda lane, task: message(lane, task, body_encoding="rot13")),
    "no base64": (NO_ENVELOPE, lambda lane, task: {**message(lane, task), "body": "a"}),
    # bodies
    "body 5": (INVALID, lambda lane, task: message(lane, task, 5)),
    "body [1]": (INVALID, lambda lane, task: message(lane, task, [1])),
    "body null": (INVALID, lambda lane, task: {**message(lane, task), "body": base64.b64encode(b"null").decode()}),
    "body empty": (INVALID, lambda lane, task: {**message(lane, task), "body": ""}),
    "body of protocol 1": (INVALID, lambda lane, task: message(lane, task, {"args": [], "kwargs": {}})),
    "body no JSON": (BAD_BODY, lambda lane, task: {**message(lane, task), "body": base64.b64encode(b"{{").decode()}),
    "body deep": (
        BAD_BODY,
        lambda lane, task: {**message(lane, task), "body": base64.b64encode(DEEP.encode()).decode()},
    ),
    "body pickle": (
        UNSIGNED,
        lambda lane, task: {**message(lane, task), "content-type": "application/x-python-serialize"},
    ),
    "body zlib": (
        UNSIGNED,
        lambda lane, t: {**message(lane, t), "content-type": "application/data", "content-encoding": "zlib"},
    ),
    "no content type": (UNSIGNED, lambda lane, task: without(message(lane, task), "content-type")),
    "content type a list": (UNSIGNED, lambda lane, task: {**message(lane, task), "content-type": ["application/json"]}),
    # arguments
    "kwargs a list": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE], [], {}])),
    "kwargs null": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE], None, {}])),
    "args a text": (INVALID, lambda lane, task: message(lane, task, ["x", {}, {}])),
    "no args": (INVALID, lambda lane, task: message(lane, task, [[], {}, {}])),
    "too many args": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE, ENVELOPE], {}, {}])),
    "unknown keyword": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE], {"x": 1}, {}])),
    "no envelope": (INVALID, lambda lane, task: message(lane, task, [[5], {}, {}])),
    "bad envelope": (INVALID, lambda lane, task: message(lane, task, [[{**ENVELOPE, "priority": "soon"}], {}, {}])),
    "embed a list": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE], {}, [1]])),
    "chain of numbers": (INVALID, lambda lane, task: message(lane, task, [[ENVELOPE], {}, {"chain": [5]}])),
    # headers
    "headers null": (NO_TASK, lambda lane, task: {**message(lane, task), "headers": None}),
    "headers a list": (NO_TASK, lambda lane, task: message(lane, task, headers=[])),
    "no task": (NO_TASK, lambda lane, task: without(message(lane, task), "headers", "task")),
    "protocol 1": (NO_TASK, lambda lane, task: message(lane, task, {"task": task, "id": "x", "args": [5]}, headers=[])),
    "task a list": (MALFORMED, lambda lane, task: message(lane, task, headers={"task": [1]})),
    "task null": (MALFORMED, lambda lane, task: message(lane, task, headers={"task": None})),
    "no id": (MALFORMED, lambda lane, task: without(message(lane, task), "headers", "id")),
    "id a list": (MALFORMED, lambda lane, task: message(lane, task, headers={"id": [1]})),
    "id too long": (MALFORMED, lambda lane, task: message(lane, task, headers={"id": "x" * 100_000})),
    "timelimit x": (MALFORMED, lambda lane, task: message(lane, task, headers={"timelimit": "x"})),
    "timelimit texts": (MALFORMED, lambda lane, task: message(lane, task, headers={"timelimit": ["a", "b"]})),
    "timelimit negative": (MALFORMED, lambda lane, task: message(lane, task, headers={"timelimit": [-1, -1]})),
    "timelimit of one": (MALFORMED, lambda lane, task: message(lane, task, headers={"timelimit": [5]})),
    "eta a word": (MALFORMED, lambda lane, task: message(lane, task, headers={"eta": "soon"})),
    "eta a number": (MALFORMED, lambda lane, task: message(lane, task, headers={"eta": 5})),
    "eta year 1": (MALFORMED, lambda lane, task: message(lane, task, headers={"eta": "0001-01-01T00:00:00+14:00"})),
    "eta year 9999": (MALFORMED, lambda lane, task: message(lane, task, headers={"eta": "9999-12-31T23:59:59-14:00"})),
    "eta in nine days": (MALFORMED, lambda lane, task: message(lane, task, headers={"eta": in_nine_days()})),
    "expired": (MALFORMED, lambda lane, task: message(lane, task, headers={"expires": "2001-01-01T00:00:00+00:00"})),
    "retries a text": (MALFORMED, lambda lane, task: message(lane, task, headers={"retries": "x"})),
    "retries negative": (MALFORMED, lambda lane, task: message(lane, task, headers={"retries": -5})),
    "stamps of lists": (MALFORMED, lambda lane, task: message(lane, task, headers={"stamped_headers": [[1]]})),
    "compressed": (NO_ENVELOPE, lambda lane, task: message(lane, task, headers={"compression": "application/x-bz2"})),
    "shadow a list": (MALFORMED, lambda lane, task: message(lane, task, headers={"shadow": [1]})),
    "delivery info a text": (MALFORMED, lambda lane, task: message(lane, task, delivery_info="x")),
    # tasks
    "unknown task": (UNKNOWN, lambda lane, task: message(lane, "no.such")),
    "task of another service": (
        UNKNOWN,
        lambda lane, task: message(lane, "report.run" if lane.startswith("scan") else "scan.run"),
    ),
    "task of Celery": (UNKNOWN, lambda lane, task: message(lane, "celery.backend_cleanup", [[], {}, {}])),
    "task with half a surrogate": (NO_ENVELOPE, lambda lane, task: message(lane, "\ud800.run")),
}


def raw(made: object) -> bytes:
    return made if isinstance(made, bytes) else json.dumps(made).encode()


def letters(stack: Stack) -> list[tuple[DeadLetterEntry, bytes]]:
    with stack.broker as client:
        return [
            DeadLetterEntry.read(entry_id.decode(), fields) for entry_id, fields in client.xrange(keys.DEAD_LETTERS)
        ]


def test_nothing_in_a_queue_is_dropped_or_harms_a_worker(hostile: Stack, request: pytest.FixtureRequest) -> None:
    hostile.start(*SERVICES)
    before = {service: hostile.workers[service].pid for service in SERVICES}
    pushed: dict[bytes, tuple[str, str]] = {}
    with hostile.broker as client:
        for stage, lanes in LANES.items():
            for name, (_, made) in VARIANTS.items():
                item = raw(as_sent(made(lanes[-1], f"{stage}.run")))
                pushed[item + lanes[-1].encode()] = (name, lanes[-1])
                client.lpush(lanes[-1], item)
            client.lpush(keys.wake(lanes[-1]), "1")
        expected = len(VARIANTS) * len(LANES)
        testing.wait_for(lambda: client.xlen(keys.DEAD_LETTERS) >= expected, "all are dead letters")
        testing.wait_for(lambda: client.hlen(keys.UNACKED) == 0, "none is held")

    found = {}
    for letter, kept in letters(hostile):
        name, lane = pushed.pop(kept + letter.queue.encode(), (letter.error.message, letter.task))
        found[name, lane] = (letter.reason, letter.failure_class)
    assert pushed == {}
    expected_of = {
        (name, lanes[-1]): (reason, FailureClass.SECURITY if reason in UNVERIFIED else FailureClass.PERMANENT)
        for lanes in LANES.values()
        for name, (reason, _) in VARIANTS.items()
    }
    assert [each for each in found.items() if each not in expected_of.items()] == []
    assert found == expected_of
    assert {service: hostile.workers[service].pid for service in SERVICES} == before
    assert all(hostile.workers[service].poll() is None for service in SERVICES)
    banner: int = request.getfixturevalue("banner")
    assert hostile.ended(hostile.submit("127.0.0.1", str(banner))).state is JobState.SUCCEEDED
