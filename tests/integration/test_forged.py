"""Messages forged, changed, moved and copied by somebody who can write into Redis, before real workers."""

from __future__ import annotations

import base64
import json
import os
import pickle
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from control import ingester
from shared import codec, keyring, testing
from shared.broker import keys, refusals
from shared.contracts.dead_letter import Reason
from shared.contracts.job import JobState, StageName, StepState
from shared.errors import FailureClass
from shared.settings import settings
from shared.store.engine import reading
from shared.store.tables import audit, dead_letters
from tests.integration.conftest import Stack, built
from tests.sealed import sealed

OLD, NEW, FOREIGN = (f"{name}:{base64.b64encode(name.encode() * 8).decode()}" for name in ("olde", "newe", "frgn"))
SIGNED, STALE, UNSIGNED = Reason.BAD_SIGNATURE, Reason.STALE_KEY, Reason.UNSIGNED

Message = dict[str, Any]
Forge = Callable[[Message, Message], Message]  # of a message and one of another job


class Boom:
    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self._file,)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, Path], str]) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("forged")
    with built(folder, new_database("sqlite", folder), master_key=f"{NEW},{OLD}") as made:
        yield made


def given(master_key: str) -> None:
    """Have this process use another master key."""
    os.environ["VEDETTE_MASTER_KEY"] = master_key
    settings.cache_clear()
    keyring.forget()


def with_header(name: str, value: object) -> Forge:
    return lambda mine, _: {**mine, "headers": {**mine["headers"], name: value}}


def body_of(mine: Message) -> bytes:
    return base64.b64decode(mine["body"])


def with_body(mine: Message, body: bytes) -> Message:
    return {**mine, "body": base64.b64encode(body).decode()}


def flipped(place: int) -> Forge:
    def forge(mine: Message, _: Message) -> Message:
        body = bytearray(body_of(mine))
        body[place] ^= 1
        return with_body(mine, bytes(body))

    return forge


def cut(length: int) -> Forge:
    return lambda mine, _: with_body(mine, body_of(mine)[:length])


def plain(mine: Message) -> Message:
    opened = codec.unseal_raw(mine).body
    return {**with_body(mine, opened), "content-type": "application/json", "content-encoding": "utf-8"}


def of_foreign_key(mine: Message, key: str, key_id: str | None = None) -> Message:
    opened = {**plain(mine), "headers": dict(mine["headers"])}
    given(key)
    made = sealed(opened)
    given(f"{NEW},{OLD}")
    return made if key_id is None else with_header(codec.KEY, key_id)(made, made)


FORGED: dict[str, tuple[Reason, Forge]] = {
    "plain JSON": (UNSIGNED, lambda mine, _: plain(mine)),
    "said to be JSON": (UNSIGNED, lambda mine, _: {**mine, "content-type": "application/json"}),
    "yaml": (UNSIGNED, lambda mine, _: {**plain(mine), "content-type": "application/x-yaml"}),
    "no signature": (UNSIGNED, with_header(codec.SIGNATURE, None)),
    "signature a number": (UNSIGNED, with_header(codec.SIGNATURE, 5)),
    "signature without end": (UNSIGNED, with_header(codec.SIGNATURE, "a" * 100_000)),
    "empty signature": (SIGNED, with_header(codec.SIGNATURE, "")),
    "signature of another": (SIGNED, lambda m, o: with_header(codec.SIGNATURE, o["headers"][codec.SIGNATURE])(m, o)),
    "signature not ASCII": (SIGNED, with_header(codec.SIGNATURE, "ß" * 64)),
    "body of another": (SIGNED, lambda mine, other: {**mine, "body": other["body"]}),
    "headers of another": (SIGNED, lambda mine, other: {**mine, "headers": other["headers"]}),
    "another job": (SIGNED, lambda mine, other: with_header(codec.JOB, other["headers"][codec.JOB])(mine, other)),
    "another task id": (SIGNED, lambda mine, other: with_header("id", other["headers"]["id"])(mine, other)),
    "another task": (SIGNED, with_header("task", "notify.run")),
    "another organisation": (SIGNED, with_header(codec.ORG, "b")),
    "no organisation": (SIGNED, with_header(codec.ORG, "")),
    "later": (SIGNED, with_header("eta", "2100-01-01T00:00:00+00:00")),
    "expired": (SIGNED, with_header("expires", "2001-01-01T00:00:00+00:00")),
    "no time": (SIGNED, with_header("timelimit", [0.001, 0.001])),
    "many retries": (SIGNED, with_header("retries", 99)),
    "a header more": (SIGNED, with_header("shadow", "x")),
    "a deep header": (SIGNED, with_header("stamps", json.loads("[" * 900 + "]" * 900))),
    "other key id": (SIGNED, with_header(codec.KEY, "olde")),
    "no such key": (STALE, with_header(codec.KEY, "gone")),
    "first bit of the nonce": (SIGNED, flipped(0)),
    "first bit of the content": (SIGNED, flipped(codec.NONCE_BYTES)),
    "last bit of the tag": (SIGNED, flipped(-1)),
    "half": (SIGNED, lambda mine, _: with_body(mine, body_of(mine)[: len(body_of(mine)) // 2])),
    "nonce alone": (SIGNED, cut(codec.NONCE_BYTES)),
    "empty": (SIGNED, cut(0)),
    "longer": (SIGNED, lambda mine, _: with_body(mine, body_of(mine) + b"x")),
    "10 MB": (Reason.UNDECODABLE_ENVELOPE, lambda mine, _: with_body(mine, b"x" * 10_000_000)),
    "half a megabyte": (SIGNED, lambda mine, _: with_body(mine, b"x" * 500_000)),
    "of another installation": (STALE, lambda mine, _: of_foreign_key(mine, FOREIGN)),
    "of another installation, relabelled": (SIGNED, lambda mine, _: of_foreign_key(mine, FOREIGN, "newe")),
}


def put(stack: Stack, messages: list[Message]) -> None:
    with stack.broker as client:
        for message in messages:
            client.lpush("scan", json.dumps(message))
        client.lpush(keys.wake("scan"), "1")


def taken(stack: Stack) -> list[Message]:
    """Take what waits in `scan`, as somebody who reaches Redis can."""
    found = []
    with stack.broker as client:
        for name in keys.lists("scan"):
            while raw := client.rpop(name):
                found.append(json.loads(raw))
    return found


def with_tag(message: Message) -> Message:
    return {**message, "properties": {**message["properties"], "delivery_tag": str(uuid.uuid4())}}


def letters() -> list[Any]:
    with reading() as connection:
        return list(connection.execute(dead_letters.select()).all())


def test_no_forged_message_is_run_or_harms_a_worker_or_a_job(attacked: Stack, banner: int, tmp_path: Path) -> None:
    ids = [attacked.submit("127.0.0.1", str(banner)) for _ in range(2)]
    mine, other = sorted(taken(attacked), key=lambda message: ids.index(message["headers"][codec.JOB]))
    forged = {name: with_tag(forge(mine, other)) for name, (_, forge) in FORGED.items()}
    pickled = with_body(mine, pickle.dumps(Boom(tmp_path / "boom")))
    pickled["content-type"] = "application/x-python-serialize"
    attacked.start("scan")
    before = attacked.workers["scan"].pid
    put(attacked, [*forged.values(), with_tag(pickled)])
    with attacked.broker as client:
        testing.wait_for(lambda: client.xlen(keys.DEAD_LETTERS) >= len(forged) + 1, "all are dead letters")
    assert not (tmp_path / "boom").exists()
    with reading() as connection:
        audited = len(connection.execute(audit.select()).all())
    ingester.ingest_once()

    expected = Counter([reason.value for reason, _ in FORGED.values()] + [UNSIGNED.value])
    found = letters()
    assert {letter.reason: letter.count for letter in found} == expected
    secure = [letter for letter in found if letter.reason != Reason.UNDECODABLE_ENVELOPE]
    assert {letter.failure_class for letter in secure} == {FailureClass.SECURITY.value}
    assert {(letter.job_id, letter.stage) for letter in found} == {(None, None)}
    with reading() as connection:
        assert len(connection.execute(audit.select()).all()) - audited == len(secure)
    assert sum(refusals.counts().values()) == len(forged) + 1 - expected[Reason.UNDECODABLE_ENVELOPE]
    assert refusals.counts()["stale-key"] == 2

    for job_id in ids:
        assert attacked.step(job_id, StageName.SCAN).state is StepState.PENDING
    put(attacked, [mine, other])  # the real ones, which were on their way all the time
    attacked.start("process", "report", "notify")
    assert [attacked.ended(job_id).state for job_id in ids] == [JobState.SUCCEEDED] * 2
    assert attacked.workers["scan"].pid == before
    assert attacked.workers["scan"].poll() is None
    assert len(letters()) == len(found)


def test_a_message_sealed_before_a_rotation_is_still_worked_on(attacked: Stack, banner: int) -> None:
    given(OLD)
    job_id = attacked.submit("127.0.0.1", str(banner))
    given(f"{NEW},{OLD}")
    with attacked.broker as client:
        testing.wait_for(lambda: not client.llen("scan"), "it is taken")
    attacked.start("scan", "process", "report", "notify")
    assert attacked.ended(job_id).state is JobState.SUCCEEDED
