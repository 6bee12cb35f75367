"""`vedette targets` against a real gateway: what may be scanned, and the rules about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.vedette.lab import Lab, Vedette
from vedette.cli import options
from vedette.cli.failure import Misused


@pytest.fixture
def rules(lab: Lab, vedette: Vedette) -> Iterator[Vedette]:
    """The command line, and afterwards no rules."""
    yield vedette
    for rule_id in vedette("targets", "rules", "list", "-o", "id").out.split():
        assert vedette("targets", "rules", "remove", rule_id).code == 0


def test_targets_are_judged_without_being_scanned(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("targets", "check", "127.0.0.1", "169.254.169.254")
    assert ran.code == 2
    assert "refused  169.254.169.254: 169.254.169.254 is link-local" in ran.out
    assert f"without  127.0.0.1: ports {lab.port}" in ran.out
    assert "1 target may be scanned, 1 may not" in ran.out
    assert vedette("targets", "check", "127.0.0.1").code == 0
    found = json.loads(vedette("targets", "check", "127.0.0.0/30", "-o", "json").out)
    assert [(each["target"], each["allowed"]) for each in found] == [("127.0.0.1", True), ("127.0.0.2", True)]


def test_a_rule_is_made_holds_and_is_removed(rules: Vedette) -> None:
    made = rules("targets", "rules", "deny", "127.0.0.0/30", "--until", "7d", "--reason", "ours", "-o", "json")
    [rule] = json.loads(made.out)
    assert (rule["effect"], rule["what"], rule["reason"]) == ("deny", "127.0.0.0/30", "ours")
    ends = datetime.fromisoformat(rule["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6) < ends <= timedelta(days=7)
    assert "127.0.0.0/30" in rules("targets", "rules", "list").out
    refused = rules("scan", "host", "127.0.0.1", "--ports", "1")
    assert (refused.code, "denied by the organisation's rule" in refused.err) == (2, True)
    assert "fix: " in refused.err
    dry = rules("scan", "host", "127.0.0.1", "127.0.0.9", "--ports", "1", "--dry-run")
    assert (dry.code, "refused  127.0.0.1" in dry.out, "Would submit 2 jobs" in dry.out) == (2, True, True)
    assert rules("targets", "rules", "remove", rule["id"][-8:]).code == 0
    assert rules("scan", "host", "127.0.0.1", "--ports", "1", "--dry-run").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("grant", "*.example.org"), "its owner decides where that leads"),
        (("deny", "10.0.0.1-20"), "cannot be about"),
        (("deny", "10.0.0.1", "--until", "soon"), "no time"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_before_anything_is_asked(
    vedette: Vedette, words: tuple[str, ...], said: str
) -> None:
    ran = vedette("targets", "rules", *words)
    assert (ran.code, said in " ".join(ran.err.split())) == (2, True)


def test_an_end_is_a_length_or_a_time() -> None:
    assert abs(options.until("12h") - datetime.now(UTC) - timedelta(hours=12)) < timedelta(seconds=5)
    assert abs(options.until("30d") - datetime.now(UTC) - timedelta(days=30)) < timedelta(seconds=5)
    assert options.until("2199-01-01T00:00Z") == datetime(2199, 1, 1, tzinfo=UTC)
    with pytest.raises(Misused):
        options.until("7w")
