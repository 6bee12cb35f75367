"""Rules of people that overrule the classifier, for failures to come.

Of several that match, the one that says most decides; of two that say equally much, the newer one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from shared.contracts.dead_letter import ErrorDetail, Rule
from shared.contracts.triage import NewRule, RuleTest
from shared.errors import NotFound
from shared.ids import new_id, now
from shared.store import pieces
from shared.store.tables import dead_letter_rules as rules
from shared.store.tables import dead_letters as letters

SAMPLES = 10
FIELDS = ("fingerprint", "stage", "error_type", "code", "contains")  # what a rule may ask for


class RuleNotFound(NotFound):
    """No rule of this organisation has this id."""


@dataclass(frozen=True)
class Facts:
    """What rules look at. `stage` is empty for what is of no stage."""

    fingerprint: str
    stage: str
    error: ErrorDetail


def all_of(connection: Connection, org_id: str) -> list[Rule]:
    """Return all rules, the oldest first."""
    query = select(rules).where(rules.c.org_id == org_id).order_by(rules.c.id)
    return [Rule.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, rules, org_id, piece)


def add(connection: Connection, org_id: str, new: NewRule, by: str, *, learned_from: str | None = None) -> Rule:
    """Make a rule; workers see it within seconds. learned_from: the dead letter whose reclassification made it."""
    row = {
        **_asked(new),
        "id": new_id(),
        "org_id": org_id,
        "failure_class": new.failure_class,
        "learned_from": learned_from,
        "created_by": by[:255],
        "created_at": now(),
        "hits": 0,
    }
    connection.execute(insert(rules), row)
    return Rule.model_validate(row)


def learn(connection: Connection, org_id: str, letter_id: str, new: NewRule, by: str) -> Rule:
    """Make the rule that a reclassification teaches; one of the same fingerprint alone is replaced."""
    alone = [rules.c[name] == "" for name in FIELDS if name != "fingerprint"]
    same = and_(rules.c.org_id == org_id, rules.c.fingerprint == new.fingerprint, *alone)
    connection.execute(delete(rules).where(same))
    return add(connection, org_id, new, by, learned_from=letter_id)


def remove(connection: Connection, org_id: str, rule_id: str) -> None:
    """Remove a rule. Raises RuleNotFound."""
    gone = connection.execute(delete(rules).where(rules.c.id == rule_id, rules.c.org_id == org_id)).rowcount
    if not gone:
        raise RuleNotFound(f"There is no rule {rule_id}.", cure="List them: vedette dlq rules list")


def test(connection: Connection, org_id: str, new: NewRule) -> RuleTest:
    """Return what a rule would match among the dead letters there are, without making it."""
    asked = _asked(new)
    where = and_(letters.c.org_id == org_id, *(_matches(name, value) for name, value in asked.items() if value))
    count = connection.execute(select(func.count()).select_from(letters).where(where)).scalar_one()
    newest = select(letters.c.id).where(where).order_by(letters.c.id.desc()).limit(SAMPLES)
    rule = Rule(**asked, org_id=org_id, failure_class=new.failure_class)
    return RuleTest(rule=rule, matches=count, samples=list(connection.execute(newest).scalars()))


def decide(known: Sequence[Rule], facts: Facts) -> Rule | None:
    """Return the rule that decides, or None."""
    matching = [rule for rule in known if _holds(rule, facts)]
    return max(matching, key=lambda rule: (_weight(rule), rule.id), default=None)


def told(rule: Rule) -> str:
    """Return a rule in words, as it is kept with a dead letter."""
    asked = ", ".join(f"{name.replace('_', ' ')} {getattr(rule, name)!r}" for name in FIELDS if getattr(rule, name))
    return f"rule {rule.id[-8:]} of {rule.created_by}: {asked} is {rule.failure_class}"


def count_hits(connection: Connection, hits: dict[str, int]) -> None:
    """Add to how often rules decided, by their ids."""
    for rule_id, number in sorted(hits.items()):
        connection.execute(update(rules).where(rules.c.id == rule_id).values(hits=rules.c.hits + number))


def _asked(new: NewRule) -> dict[str, Any]:
    return {name: str(getattr(new, name) or "") for name in FIELDS}


def _holds(rule: Rule, facts: Facts) -> bool:
    return (
        rule.fingerprint in {"", facts.fingerprint}
        and rule.stage in {"", facts.stage}
        and rule.error_type in {"", facts.error.type}
        and rule.code in {"", facts.error.code}
        and rule.contains.lower() in facts.error.message.lower()
    )


def _weight(rule: Rule) -> tuple[bool, int]:
    return bool(rule.fingerprint), sum(bool(getattr(rule, name)) for name in FIELDS)


def _matches(name: str, value: str) -> ColumnElement[bool]:
    if name == "contains":
        return letters.c.message.icontains(value, autoescape=True)
    return letters.c[name] == value
