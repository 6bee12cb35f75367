"""Rules: of several that match, the one that says most decides."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.dead_letter import ErrorDetail
from shared.contracts.job import StageName
from shared.contracts.triage import NewRule
from shared.errors import FailureClass
from shared.ids import new_id
from shared.store import dlq_rules
from shared.store.dlq_rules import Facts, RuleNotFound
from shared.store.engine import reading, writing
from tests.shared.store.dying import failed_job
from tests.shared.store.making import ORG

pytestmark = pytest.mark.usefixtures("database")

FACTS = Facts("f1", "scan", ErrorDetail(type="HostUnreachable", code="host-unreachable", message="It did not answer."))
PERMANENT = FailureClass.PERMANENT


def add(org_id: str = ORG, **fields: Any) -> str:
    with writing() as connection:
        new = NewRule(**{"failure_class": PERMANENT, **fields})
        return dlq_rules.add(connection, org_id, new, "ann").id


def decided(facts: Facts = FACTS, org_id: str = ORG) -> str | None:
    with reading() as connection:
        rule = dlq_rules.decide(dlq_rules.all_of(connection, org_id), facts)
    return rule.id if rule else None


@pytest.mark.parametrize(
    "fields",
    [
        {"fingerprint": "f1"},
        {"stage": StageName.SCAN},
        {"error_type": "HostUnreachable"},
        {"code": "host-unreachable"},
        {"contains": "DID NOT"},
        {"stage": StageName.SCAN, "code": "host-unreachable", "contains": "answer"},
    ],
)
def test_a_rule_matches_what_all_its_fields_match(fields: dict[str, Any]) -> None:
    rule_id = add(**fields)
    assert decided() == rule_id
    assert decided(Facts("f2", "report", ErrorDetail(type="X", message="Answered."))) is None
    assert decided(org_id="other") is None


@pytest.mark.parametrize("fields", [{"fingerprint": "f2"}, {"stage": StageName.SCAN, "code": "other"}])
def test_a_rule_of_which_one_field_differs_does_not_match(fields: dict[str, Any]) -> None:
    add(**fields)
    assert decided() is None


def test_the_rule_that_says_most_decides_and_a_fingerprint_says_all() -> None:
    print_id = add(fingerprint="f1")
    add(stage=StageName.SCAN, code="host-unreachable")
    assert decided() == print_id


def test_of_equals_the_newer_decides() -> None:
    add(stage=StageName.SCAN)
    newer = add(code="host-unreachable")
    assert decided() == newer


def test_a_rule_that_is_removed_decides_nothing() -> None:
    rule_id = add(stage=StageName.SCAN)
    with pytest.raises(RuleNotFound), writing() as connection:
        dlq_rules.remove(connection, "other", rule_id)
    with writing() as connection:
        dlq_rules.remove(connection, ORG, rule_id)
    assert decided() is None
    with pytest.raises(RuleNotFound), writing() as connection:
        dlq_rules.remove(connection, ORG, new_id())


@pytest.mark.parametrize(
    ("fields", "matches"),
    [({"contains": "NOT ANSWER"}, 2), ({"stage": StageName.REPORT}, 1), ({"contains": "100%"}, 0), ({"code": "x"}, 0)],
)
def test_a_rule_can_be_tried_on_the_letters_there_are(fields: dict[str, Any], matches: int) -> None:
    failed_job()
    _, newest = failed_job(stage=StageName.REPORT)
    with reading() as connection:
        tried = dlq_rules.test(connection, ORG, NewRule(failure_class=PERMANENT, **fields))
        assert dlq_rules.all_of(connection, ORG) == []
    assert (tried.matches, len(tried.samples)) == (matches, matches)
    assert not matches or tried.samples[0] == newest


def test_a_rule_is_told_in_words() -> None:
    rule_id = add(stage=StageName.SCAN, contains="answer")
    with reading() as connection:
        [rule] = dlq_rules.all_of(connection, ORG)
    assert dlq_rules.told(rule) == f"rule {rule_id[-8:]} of ann: stage 'scan', contains 'answer' is permanent"
