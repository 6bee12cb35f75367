"""Organisation B follows what it can, by stream and by socket, while A works: nothing of A is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway import earlier
from shared import bus
from shared.contracts.events import Event, EventType
from shared.contracts.job import Progress, StageName
from shared.ids import now
from shared.store import timeline
from shared.store.engine import reading
from shared.testing import wait_for
from tests.gateway import foreign
from tests.gateway.driving import Served, both_databases, finish, run_stage
from tests.gateway.foreign import CANARY, A, B, Foreign
from tests.gateway.talking import Listener, Talker, dial

TOPICS = "jobs,queues,system"
NOWHERE = "01928e1c-0000-7000-8000-000000000000"


@pytest.fixture
def of_a(make_job: Callable[..., str], bury: Callable[..., str]) -> Foreign:
    return foreign.found(make_job, bury)


@pytest.fixture
def as_b(served: Served) -> dict[str, str]:
    """The header of an owner of B."""
    return foreign.bearer(B)


@pytest.fixture
def follow(served: Served, as_b: dict[str, str]) -> Iterator[Callable[..., Listener]]:
    """Return a function that opens a stream as B."""
    made: list[Listener] = []

    def opened(query: str, **headers: str) -> Listener:
        made.append(Listener(served, query, **as_b, **headers))
        return made[-1]

    yield opened
    served.stop()
    assert all(listener.ended() for listener in made)


def ids_of(job_id: str) -> list[int]:
    with reading() as connection:
        return [event.id for event in timeline.of_job(connection, job_id)]


def work(of_a: Foreign) -> None:
    """Do with jobs of A whatever is told of: its stages, their progress, its end, and an event on the bus alone."""
    run_stage(of_a.jobs[2], StageName.SCAN, lambda step: step.progress(Progress(done=1, total=3)))
    finish(of_a.jobs[1])
    on_bus = {"type": EventType.STAGE_PROGRESSED, "at": now(), "org_id": A, "job_id": of_a.jobs[2], "stage": "scan"}
    bus.publish([Event.model_validate(on_bus)])


def tells_of_a(messages: list[dict[str, Any]], of_a: Foreign) -> set[str]:
    return {mark for mark in {CANARY, A, *of_a.ids} if mark in str(messages)}


@both_databases
@pytest.mark.parametrize("resumed", ["", "&since=0", "&since={of_a}", "&since=4611686018427387904"])
def test_a_stream_of_b_tells_nothing_of_a(
    served: Served, of_a: Foreign, follow: Callable[..., Listener], make_job: Callable[..., str], resumed: str
) -> None:
    mine = make_job(org_id=B)
    listener = follow(f"topics={TOPICS},job:{mine}{resumed.format(of_a=ids_of(of_a.jobs[0])[1])}")
    listener.wait("snapshot", lambda message: message["topic"] == "system")
    work(of_a)
    finish(mine)
    wait_for(lambda: ids_of(mine)[-1] in listener.ids, "the end of B's job")
    assert not tells_of_a(listener.messages, of_a)
    assert set(listener.ids) <= {0, *ids_of(mine), *(each["id"] for each in listener.of("snapshot"))}
    assert {each["event"]["job_id"] for each in listener.of("event")} == {mine}
    assert listener.wait("snapshot", lambda each: each["topic"] == "system")["data"]["dead_letters"] == 0


def test_the_header_of_a_browser_that_comes_back_leads_to_nothing_of_a(
    of_a: Foreign, follow: Callable[..., Listener], make_job: Callable[..., str]
) -> None:
    mine = make_job(org_id=B)
    listener = follow("topics=jobs", **{"Last-Event-ID": str(ids_of(of_a.jobs[0])[0])})
    finish(mine)
    wait_for(lambda: ids_of(mine)[-1] in listener.ids, "the end of B's job")
    assert not tells_of_a(listener.messages, of_a)


def test_a_job_of_a_is_not_there_to_be_followed(served: Served, of_a: Foreign, as_b: dict[str, str]) -> None:
    for shape in (
        "/api/v1/events?topics=job:{id}",
        "/api/v1/events?topics=jobs,job:{id}",
        "/api/v1/events?topics=job:{id}&since=0",
        "/api/v1/jobs/{id}/events",
    ):
        answers = [served.http.get(shape.format(id=each), headers=as_b) for each in (of_a.jobs[0], NOWHERE)]
        told = [{**answer.json(), "instance": "", "trace_id": ""} for answer in answers]
        assert [answer.status_code for answer in answers] == [404, 404], shape
        assert told[0] == {**told[1], "detail": told[1]["detail"].replace(NOWHERE, of_a.jobs[0])}, "as one of nobody"


@both_databases
@pytest.mark.parametrize("since", [None, 0, 1])
def test_a_socket_of_b_tells_nothing_of_a(
    served: Served, of_a: Foreign, as_b: dict[str, str], make_job: Callable[..., str], since: int | None
) -> None:
    mine = make_job(org_id=B)
    talker = Talker(dial(served, headers=as_b))
    talker.ask(op="subscribe", topics=[f"job:{of_a.jobs[0]}"])
    assert talker.wait("error")["code"] == "job-not-found"
    talker.subscribe(*TOPICS.split(","), since=since)
    work(of_a)
    finish(mine)
    talker.wait("event", lambda message: message["id"] == ids_of(mine)[-1])
    talker.close()
    assert not tells_of_a([each for each in talker.messages if each["type"] != "error"], of_a)
    assert {message["event"]["job_id"] for message in talker.of("event")} == {mine}


def test_the_socket_of_the_earlier_systems_tells_b_nothing_of_a(
    served: Served, of_a: Foreign, as_b: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier, "STATUS_EVERY_S", 0.1)
    talker = Talker(dial(served, "/ws/system", as_b))
    work(of_a)
    before = len(talker.messages)
    wait_for(lambda: len(talker.messages) > before + 2, "how the system is")
    talker.close()
    assert not tells_of_a(talker.messages, of_a)
    assert {message["data"]["dead_letters"] for message in talker.of("system_status")} == {0}
