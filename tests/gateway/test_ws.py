from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shared.store import timeline
from shared.store.engine import reading
from tests.gateway.driving import Served, both_databases, finish
from tests.gateway.talking import Talker, dial


@pytest.fixture
def talker(served: Served) -> Iterator[Talker]:
    made = Talker(dial(served))
    yield made
    made.close()


def kept(*job_ids: str) -> list[int]:
    with reading() as connection:
        return sorted(event.id for job_id in job_ids for event in timeline.of_job(connection, job_id))


@both_databases
def test_a_snapshot_comes_first_and_then_what_happens(talker: Talker, make_job: Callable[..., str]) -> None:
    first = make_job()
    talker.subscribe("jobs")
    snapshot = talker.wait("snapshot")
    assert (snapshot["topic"], snapshot["data"]["waiting"], snapshot["data"]["jobs"][0]["id"]) == ("jobs", 1, first)
    second = make_job()
    finish(first)
    finish(second)
    last = kept(first, second)[-1]
    talker.wait("event", lambda message: message["id"] == last)
    assert talker.ids == [each for each in kept(first, second) if each > snapshot["id"]]
    assert [message["type"] for message in talker.messages[:2]] == ["subscribed", "snapshot"]
