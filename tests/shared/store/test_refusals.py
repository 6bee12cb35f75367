"""Refusals stand in the audit: one line per rule, however many there were."""

from __future__ import annotations

import pytest

from shared.contracts.audit import AuditEntry
from shared.settings import settings
from shared.store import audit, refusals
from shared.store.engine import reading
from tests.conftest import forget
from tests.shared.store.making import ORG

pytestmark = pytest.mark.usefixtures("database")


def lines() -> list[AuditEntry]:
    with reading(ORG) as connection:
        return audit.page(connection, ORG, limit=100)


def test_each_rule_has_one_line_with_a_count_and_some_of_what_it_refused() -> None:
    found = [("never", f"169.254.0.{n}") for n in range(100)] + [("closed", "10.0.0.1")]
    refusals.note(ORG, "ann", "target.refused", "submission", found, address="192.0.2.1")
    closed, never = lines()
    assert (never.detail["rule"], never.detail["count"]) == ("never", 100)
    assert never.detail["refused"] == [f"169.254.0.{n}" for n in range(refusals.SHOWN)]
    assert (closed.detail["count"], closed.actor, closed.address) == (1, "ann", "192.0.2.1")


def test_the_lines_of_one_request_are_bounded() -> None:
    refusals.note(ORG, "ann", "target.refused", "submission", [(f"deny:{n}", "x") for n in range(500)])
    found = lines()
    assert len(found) == refusals.MAX_LINES
    assert sum(line.detail["count"] for line in found) == 500
    assert found[0].detail["rule"] == refusals.OTHERS


def test_a_database_that_is_away_makes_it_no_less_of_a_refusal(fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_DATABASE_URL", "sqlite:////nowhere/v.db")
    settings.cache_clear()
    forget()
    refusals.note(ORG, "ann", "target.refused", "submission", [("never", "x")])
