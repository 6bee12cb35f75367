"""The rules of organisations about what they may scan."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from shared import policy
from shared.contracts.scan_rule import NewScanRule, ScanRule
from shared.errors import Conflict, InvalidInput, NotFound
from shared.ids import new_id, now
from shared.policy import Reach
from shared.store import pieces
from shared.store.tables import scan_rules as rules

MAX_RULES = 500  # of one organisation; every address of every target is compared with all of them


class ScanRuleNotFound(NotFound):
    """No scan rule of this organisation has this id."""


class TooManyRules(Conflict):
    """The organisation has as many scan rules as it may have."""


def all_of(connection: Connection, org_id: str) -> list[ScanRule]:
    """Return all rules, also expired ones, the oldest first."""
    query = select(rules).where(rules.c.org_id == org_id).order_by(rules.c.id)
    return [ScanRule.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def reach(connection: Connection, org_id: str) -> Reach:
    """Return what an organisation may scan now."""
    return policy.reach(all_of(connection, org_id))


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, rules, org_id, piece)


def add(connection: Connection, org_id: str, new: NewScanRule, by: str) -> ScanRule:
    """Make a rule; scans that begin from now on obey it. Raises InvalidInput for one that is over; TooManyRules."""
    if new.expires_at and new.expires_at <= now():
        raise InvalidInput("The rule would be over already.", cure="Give a time to come.", pointer="/expires_at")
    if len(all_of(connection, org_id)) >= MAX_RULES:
        raise TooManyRules(f"There are {MAX_RULES} scan rules.", cure="Remove some, or give networks for addresses.")
    row = {
        "id": new_id(),
        "org_id": org_id,
        "effect": new.effect,
        "what": new.what,
        "reason": new.reason,
        "created_by": by[:255],
        "created_at": now(),
        "expires_at": new.expires_at,
    }
    connection.execute(insert(rules), row)
    return ScanRule.model_validate(row)


def remove(connection: Connection, org_id: str, rule_id: str) -> ScanRule:
    """Remove a rule and return it. Raises ScanRuleNotFound."""
    found = next((rule for rule in all_of(connection, org_id) if rule.id == rule_id), None)
    if found is None:
        raise ScanRuleNotFound(f"There is no scan rule {rule_id}.", cure="List them: vedette targets rules list")
    connection.execute(delete(rules).where(rules.c.id == rule_id, rules.c.org_id == org_id))
    return found
