"""Whatever way a task is sent, what lies in Redis is sealed and signed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import chain
from celery.canvas import Signature
from celery.exceptions import Retry
from kombu.message import Message

from services.scan import app
from shared import codec, testing
from shared.broker.client import client as broker_client
from shared.broker.sealing import Misplaced, check_place, open_message
from shared.broker.transport import together
from shared.codec import BadSignature
from tests import broker
from tests.conftest import forget
from tests.shared.broker.conftest import waiting

MARKER = "only-in-the-arguments"
ENVELOPE = {"job_id": "j", "org_id": "o", "kind": "host", "lane": "scan", "tags": MARKER}


@pytest.fixture(autouse=True)
def _pointed(server: testing.RedisServer, fresh_settings: pytest.MonkeyPatch) -> Iterator[None]:
    fresh_settings.setenv("VEDETTE_REDIS_URL", server.url)
    forget()
    with broker.pointed():
        yield


def signature(**options: Any) -> Signature[Any]:
    known = {"queue": "scan", "task_id": "j.scan", **options}
    made: Signature[Any] = app.signature("scan.run", args=(ENVELOPE,), options=known)
    return made


def send() -> None:
    app.send_task("scan.run", [ENVELOPE], queue="scan", task_id="j.scan")


def send_by_a_connection_of_its_own() -> None:
    with app.connection_for_write() as connection:
        app.send_task("scan.run", [ENVELOPE], queue="scan", task_id="j.scan", connection=connection)


def send_a_chain() -> None:
    chain(signature(), app.signature("process.run", options={"queue": "process"})).apply_async()


def send_together() -> None:
    with together(broker_client()):
        signature().apply_async(retry=False)


def send_again() -> None:
    task = app.tasks["scan.run"]
    info = {"routing_key": "scan", "exchange": ""}
    asked: dict[str, Any] = {"id": "j.scan", "args": [ENVELOPE], "kwargs": {}, "delivery_info": info}
    task.push_request(called_directly=False, retries=1, **asked)
    try:
        with pytest.raises(Retry):
            task.retry(countdown=5, throw=True)
    finally:
        task.pop_request()


def send_later() -> None:
    app.tasks["scan.run"].apply_async((ENVELOPE,), countdown=60, queue="scan", task_id="j.scan")


@pytest.mark.parametrize(
    "way", [send, send_by_a_connection_of_its_own, send_a_chain, send_together, send_again, send_later]
)
def test_a_task_is_sealed_in_whatever_way_it_is_sent(client: redis.Redis, way: Callable[[], None]) -> None:
    way()
    [message] = waiting(client)
    assert message["content-type"] == codec.SEALED
    assert MARKER not in json.dumps(message)
    assert codec.unseal_raw(message).job_id == "j"
    assert codec.unseal_raw(message).org_id == "o"
    [arguments, *_] = json.loads(codec.unseal_raw(message).body)
    assert arguments == [ENVELOPE]
    assert message["headers"]["id"] == "j.scan"


def opened(
    *, job_id: str = "j", org_id: str = "o", task_id: str = "j.scan", task: str = "scan.run", part: str = ""
) -> Message:
    headers = {"task": task, "id": task_id}
    envelope = ENVELOPE | ({"part": part} if part else {})
    body = codec.seal(json.dumps([[envelope], {}, {}]).encode(), headers, job_id, org_id)
    made = Message(body, content_type=codec.SEALED, headers=headers, accept={"application/json"})  # type: ignore[arg-type]  # its stubs know no bytes
    open_message(made)
    return made


def test_celery_gets_plain_json() -> None:
    message = opened()
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.payload == [[ENVELOPE], {}, {}]
    check_place(message)


def test_a_part_of_a_stage_is_in_its_place() -> None:
    check_place(opened(task="report.run", task_id="j.report.pdf", part="pdf"))


@pytest.mark.parametrize(
    "changed",
    [
        {"job_id": "k"},
        {"org_id": "p"},
        {"task_id": "k.scan"},
        {"task_id": "j.process"},
        {"task_id": "j.scan.pdf"},
        {"part": "pdf"},
        {"part": "pdf", "task_id": "j.scan.csv"},
        {"job_id": ""},
    ],
)
def test_a_body_of_another_job_organisation_or_stage_is_misplaced(changed: dict[str, str]) -> None:
    message = opened(**changed)
    with pytest.raises(Misplaced):
        check_place(message)


def test_a_message_that_does_not_open_stays_as_it_was() -> None:
    made = Message("x", content_type=codec.SEALED, headers={codec.JOB: "", codec.ORG: "", codec.KEY: "test"})
    made.body, made.headers[codec.SIGNATURE] = b"x", "y"  # type: ignore[assignment]  # as above
    with pytest.raises(BadSignature):
        open_message(made)
    assert made.content_type == codec.SEALED
