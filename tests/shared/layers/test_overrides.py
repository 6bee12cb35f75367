"""What an organisation chose decides over its failures, and is asked for only when something failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from shared.contracts.dead_letter import ErrorDetail
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.contracts.policy import PolicyChange
from shared.contracts.triage import NewRule
from shared.dlq import StageFailed, fingerprint
from shared.errors import BackOff, FailureClass, Temporary
from shared.layers import around, overrides
from shared.layers.delivery import Delivery
from shared.layers.ledger import RetryLater
from shared.store import dlq_rules, policies
from shared.store.engine import engine, writing
from tests.shared.store.making import ORG, make, new_job

SCAN = StageName.SCAN

pytestmark = pytest.mark.usefixtures("database", "bus_url")


class HostBusy(Temporary):
    """Somebody else is at it."""


@pytest.fixture(autouse=True)
def unread() -> Iterator[None]:
    overrides.forget()
    yield
    overrides.forget()


def run(job_id: str, exc: Exception | None) -> None:
    envelope = Envelope(job_id=job_id, org_id=ORG, kind="host", lane="scan")
    with around(SCAN, envelope, Delivery("w@h", 0, 30.0)):
        if exc:
            raise exc


def ended(exc: Exception, host: str = "127.0.0.1") -> StageFailed:
    [job_id] = make(new_job(host))
    with pytest.raises(StageFailed) as failed:
        run(job_id, exc)
    return failed.value


def rule(failure_class: FailureClass, **fields: Any) -> None:
    with writing() as connection:
        dlq_rules.add(connection, ORG, NewRule(failure_class=failure_class, **fields), "ann")


def choose(failure_class: FailureClass, retries: int) -> None:
    change = PolicyChange(retries=retries, back_off=BackOff.LINEAR, base_s=3.0)
    with writing() as connection:
        policies.change(connection, ORG, failure_class, change, "ann")


def test_the_policy_of_an_organisation_decides_how_often() -> None:
    choose(FailureClass.TEMPORARY, 0)
    assert ended(HostBusy("busy")).rule == "raises Temporary (HostBusy)"


def test_the_policy_of_an_organisation_decides_how_long() -> None:
    choose(FailureClass.PERMANENT, 1)
    [job_id] = make()
    with pytest.raises(RetryLater) as later:
        run(job_id, KeyError("x"))
    assert later.value.after_s == 3.0
    with pytest.raises(StageFailed):
        run(job_id, KeyError("x"))


def test_a_rule_decides_over_the_class_and_so_over_the_retries() -> None:
    rule(FailureClass.PERMANENT, contains="busy for ever")
    failed = ended(HostBusy("busy for ever"))
    assert failed.failure_class is FailureClass.PERMANENT
    assert failed.rule.endswith("contains 'busy for ever' is permanent")


def test_a_rule_of_a_fingerprint_knows_the_target_by_any_name() -> None:
    error = ErrorDetail(type="HostBusy", code="host-busy", message="localhost is busy")
    rule(FailureClass.SECURITY, fingerprint=fingerprint("scan", error, names=["localhost"]))
    assert ended(HostBusy("db is busy"), "db").failure_class is FailureClass.SECURITY


def test_nothing_is_asked_while_all_is_well_and_once_in_a_while_when_not() -> None:
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "policies" in statement or "dead_letter_rules" in statement:
            asked.append(statement)

    jobs = make(*(new_job() for _ in range(4)))
    event.listen(engine(), "before_cursor_execute", note)
    run(jobs[0], None)
    assert asked == []
    for job_id in jobs[1:]:
        with pytest.raises(RetryLater):
            run(job_id, HostBusy("busy"))
    assert len(asked) == 2


def test_a_store_that_is_away_leaves_the_defaults(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_DATABASE_URL", "sqlite:////nowhere/v.db")
    engine().dispose()
    from shared.settings import settings
    from shared.store.engine import forget

    settings.cache_clear()
    forget()
    assert overrides.overrides_of(ORG).policies == {}
