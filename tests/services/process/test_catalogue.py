from __future__ import annotations

from pathlib import Path

from services.process.catalogue import markdown, rules
from shared.contracts.finding import Severity

DOCUMENT = Path(__file__).parents[3] / "docs" / "rules.md"


def test_the_document_is_what_the_rules_declare() -> None:
    assert DOCUMENT.read_text() == markdown(), "run: python -m services.process.catalogue > docs/rules.md"


def test_rules_come_worst_first() -> None:
    ranks = [rule.severity.rank for rule in rules("host")]
    assert ranks == sorted(ranks)
    assert ranks[0] == Severity.CRITICAL.rank
