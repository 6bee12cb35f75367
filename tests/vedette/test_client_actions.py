"""The client's methods for dead letters, operations, queues, policies and jobs, against a real gateway."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, delete, insert

from shared.contracts.dead_letter import BulkReplay, DeadLetterState, Forecast, Selection
from shared.contracts.job import JobState, JobView, StageName
from shared.contracts.kinds.host import Target
from shared.contracts.operation import BulkCancel, Operation, OperationState
from shared.contracts.policy import PolicyChange
from shared.contracts.submission import Options
from shared.contracts.triage import BulkDiscard, DeadLetterFilter, NewRule
from shared.errors import BackOff, FailureClass
from shared.ids import new_id, now
from shared.store.tables import dead_letters
from tests.vedette.lab import TOKEN, Lab
from vedette.client import Client
from vedette.refusals import NothingThere, StateForbids


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with Client(lab.url, TOKEN) as client:
        yield client


@pytest.fixture
def letters(lab: Lab) -> Iterator[list[str]]:
    """Three dead letters in an otherwise empty store."""
    engine = create_engine(lab.environment["VEDETTE_DATABASE_URL"])
    made = [new_id() for _ in range(3)]
    row = {
        "org_id": "local",
        "stage": "scan",
        "reason": "stage-failed",
        "failure_class": "external",
        "error": {"message": "No answer."},
        "fingerprint": "aaaa",
        "state": "open",
        "raw": b"{}",
        "first_failed_at": now(),
        "last_failed_at": now(),
    }
    with engine.begin() as connection:
        connection.execute(delete(dead_letters))
        connection.execute(insert(dead_letters), [{**row, "id": one} for one in made])
    yield made
    with engine.begin() as connection:
        connection.execute(delete(dead_letters))
    engine.dispose()


def _held(client: Client) -> JobView:
    return client.submit([Target(host="127.0.0.77", ports="1")], Options(tags={"do": "hold"})).jobs[0]


def test_dead_letters_are_looked_at_in_all_ways(client: Client, letters: list[str]) -> None:
    page = client.dlq.page(limit=2)
    assert [one.id for one in page.items] == letters[:0:-1]
    assert [one.id for one in client.dlq.page(cursor=page.next).items] == letters[:1]
    wanted = DeadLetterFilter(failure_class=FailureClass.EXTERNAL, stage=StageName.SCAN, q="state:open", group="aaaa")
    assert len(client.dlq.page(wanted).items) == 3
    assert client.dlq.page(DeadLetterFilter(failure_class=FailureClass.SECURITY)).items == []
    [group] = client.dlq.groups()
    assert (group.count, group.fingerprint) == (3, "aaaa")
    assert client.dlq.stats().open == 3
    assert client.dlq.get(letters[0][-8:]).id == letters[0]
    assert client.dlq.payload(letters[0]).text == "{}"
    assert [one.id for one in client.dlq.export(wanted)] == letters[::-1]
    assert list(client.dlq.export(DeadLetterFilter(state=DeadLetterState.DISCARDED))) == []
    with pytest.raises(NothingThere):
        client.dlq.get("ffffffff")


def test_dead_letters_are_classed_put_aside_and_refused(client: Client, letters: list[str]) -> None:
    assert client.dlq.classify(letters[0], FailureClass.PERMANENT).failure_class is FailureClass.PERMANENT
    assert client.dlq.snooze(letters[0], now() + timedelta(days=1)).state is DeadLetterState.SNOOZED
    with pytest.raises(StateForbids) as refused:
        client.dlq.replay(letters[1])
    assert refused.value.problem
    assert refused.value.problem.code == "payload-invalid"


def test_bulk_work_is_an_operation_that_is_paused_resumed_and_stopped(client: Client, letters: list[str]) -> None:
    forecast = client.dlq.replay_many(BulkReplay(selection=Selection(all=True), dry_run=True))
    assert isinstance(forecast, Forecast)
    assert (forecast.total, forecast.ok) == (3, 0)
    begun = client.dlq.replay_many(BulkReplay(selection=Selection(group="aaaa"), rate=1.0))
    assert isinstance(begun, Operation)
    assert client.operations.pause(begun.id).state is OperationState.PAUSED
    assert client.operations.resume(begun.id).state is OperationState.PENDING
    assert client.operations.stop(begun.id).state is OperationState.STOPPED
    with pytest.raises(StateForbids):
        client.operations.resume(begun.id)
    assert client.operations.get(begun.id[-8:]).note == "Stopped by token."
    assert client.operations.page(limit=1).items[0].id == begun.id
    with pytest.raises(StateForbids, match="3 dead letters"):
        client.dlq.discard(BulkDiscard(selection=Selection(all=True), expect=2))
    assert isinstance(client.dlq.discard(BulkDiscard(selection=Selection(all=True), expect=3)), Operation)


def test_rules_and_policies(client: Client, letters: list[str]) -> None:
    new = NewRule(stage=StageName.SCAN, failure_class=FailureClass.PERMANENT)
    assert client.dlq.rules.test(new).matches == 3
    made = client.dlq.rules.add(new)
    assert made in client.dlq.rules.all()
    client.dlq.rules.remove(made.id)
    assert made not in client.dlq.rules.all()
    changed = client.policies.change(FailureClass.RESOURCE, PolicyChange(retries=9, back_off=BackOff.LINEAR))
    assert (changed.retries, changed.is_default) == (9, False)
    assert client.policies.get(FailureClass.RESOURCE) == changed
    assert client.policies.reset(FailureClass.RESOURCE).is_default
    assert len(client.policies.all()) == len(FailureClass)
    assert client.audit.page(limit=1).items[0].action == "policy.reset"


def test_queues_are_paused_resumed_and_purged(client: Client) -> None:
    assert client.queues.pause("scan.heavy", "window").paused
    assert client.queues.get("scan.heavy").paused
    assert client.queues.resume("scan.heavy").paused is None
    assert len(client.queues.all().items) == 7
    purged = client.queues.purge("scan.heavy", dry_run=True)
    assert (purged.jobs, purged.messages) == (0, 0)
    assert client.queues.purge("scan.heavy", expect=0).dry_run is False
    assert client.workers() == []
    with pytest.raises(NothingThere):
        client.queues.get("nope")


def test_a_job_is_explained_cancelled_and_run_again(client: Client) -> None:
    job = _held(client)
    assert client.explain(job.id).job_id == job.id
    assert client.jobs(q=f"id:{job.id}").items[0].waiting
    assert client.cancel(job.id).state is JobState.CANCELLED
    with pytest.raises(StateForbids):
        client.resume(job.id, StageName.REPORT)
    again = client.rerun(job.id)
    assert again.origin_id == job.id
    forecast = client.cancel_many(BulkCancel(ids=[again.id], dry_run=True))
    assert isinstance(forecast, Forecast)
    assert forecast.total == 1
    assert client.cancel(again.id[-8:]).state is JobState.CANCELLED
    assert client.retry(again.id).run == 2
    assert client.cancel(again.id).state is JobState.CANCELLED
