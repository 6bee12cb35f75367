"""Retry policies: the defaults, and what an organisation chose instead."""

from __future__ import annotations

import pytest

from shared.contracts.policy import PolicyChange
from shared.errors import POLICIES, UNTIL_HEALTHY, BackOff, FailureClass, Policy
from shared.store import policies
from shared.store.engine import reading, writing
from tests.shared.store.making import ORG

pytestmark = pytest.mark.usefixtures("database")

CHANGE = PolicyChange(retries=7, back_off=BackOff.LINEAR, base_s=1.5, cap_s=9.0)


def test_every_class_has_its_default() -> None:
    with reading() as connection:
        found = policies.all_of(connection, ORG)
        assert policies.chosen(connection, ORG) == {}
    assert [each.failure_class for each in found] == list(FailureClass)
    assert all(each.is_default and each.back_off is POLICIES[each.failure_class].back_off for each in found)
    shown = {each.failure_class: each.retries for each in found}
    assert (shown[FailureClass.RESOURCE], shown[FailureClass.INFRASTRUCTURE]) == (2, None)


def test_any_class_may_be_waited_for_until_the_deadline() -> None:
    with writing() as connection:
        changed = policies.change(
            connection, ORG, FailureClass.EXTERNAL, CHANGE.model_copy(update={"retries": None}), "ann"
        )
        assert policies.chosen(connection, ORG)[FailureClass.EXTERNAL].retries == UNTIL_HEALTHY
    assert changed.retries is None


def test_what_somebody_chose_holds_for_that_organisation_until_it_is_reset() -> None:
    for change in (CHANGE.model_copy(update={"retries": 1}), CHANGE):
        with writing() as connection:
            changed = policies.change(connection, ORG, FailureClass.EXTERNAL, change, "ann")
    assert (changed.retries, changed.back_off, changed.is_default, changed.changed_by) == (7, "linear", False, "ann")
    with reading() as connection:
        assert policies.chosen(connection, ORG) == {FailureClass.EXTERNAL: Policy(7, BackOff.LINEAR, 1.5, 9.0)}
        assert policies.chosen(connection, "other") == {}
    with writing() as connection:
        assert policies.reset(connection, ORG, FailureClass.EXTERNAL).is_default
        assert policies.reset(connection, ORG, FailureClass.EXTERNAL).is_default
