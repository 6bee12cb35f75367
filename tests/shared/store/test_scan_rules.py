"""Scan rules are of one organisation, bounded, and hold until they are over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.scan_rule import Effect, NewScanRule, ScanRule
from shared.errors import InvalidInput
from shared.ids import now
from shared.store import scan_rules
from shared.store.engine import reading, writing
from tests.shared.store.making import ORG

pytestmark = pytest.mark.usefixtures("database")


def add(what: str = "10.0.0.0/8", org_id: str = ORG, **more: object) -> ScanRule:
    new = NewScanRule.model_validate({"effect": Effect.DENY, "what": what, **more})
    with writing(org_id) as connection:
        return scan_rules.add(connection, org_id, new, "ann")


def all_of(org_id: str = ORG) -> list[ScanRule]:
    with reading(org_id) as connection:
        return scan_rules.all_of(connection, org_id)


def test_a_rule_is_kept_as_it_was_written() -> None:
    ends = now() + timedelta(days=1)
    made = add(reason="ours", expires_at=ends)
    assert all_of() == [made]
    assert (made.effect, made.reason, made.created_by, made.expires_at) == (Effect.DENY, "ours", "ann", ends)


def test_rules_of_another_organisation_are_not_seen_and_not_removed() -> None:
    foreign = add(org_id="other")
    assert all_of() == []
    with pytest.raises(scan_rules.ScanRuleNotFound), writing(ORG) as connection:
        scan_rules.remove(connection, ORG, foreign.id)
    with reading(ORG) as connection:
        assert scan_rules.reach(connection, ORG).refusal("10.0.0.1") is None
    with reading("other") as connection:
        refusal = scan_rules.reach(connection, "other").refusal("10.0.0.1")
    assert refusal is not None
    assert refusal.rule == f"deny:{foreign.id}"


def test_a_rule_is_removed_once() -> None:
    made = add()
    with writing(ORG) as connection:
        assert scan_rules.remove(connection, ORG, made.id) == made
    with pytest.raises(scan_rules.ScanRuleNotFound), writing(ORG) as connection:
        scan_rules.remove(connection, ORG, made.id)


def test_a_rule_that_is_over_already_is_refused() -> None:
    with pytest.raises(InvalidInput, match="over already"):
        add(expires_at=now() - timedelta(seconds=1))


def test_an_organisation_has_so_many_rules_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_rules, "MAX_RULES", 2)
    add("10.0.0.1")
    add("10.0.0.2")
    with pytest.raises(scan_rules.TooManyRules):
        add("10.0.0.3")
    add("10.0.0.3", org_id="other")
