"""Refusals by policy in the audit: one line per rule with a count, each in a transaction of its own.

What was refused fails, and its transaction with it; the line stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from shared.store import audit

log = structlog.get_logger()

SHOWN = 5  # of what one rule refused, named in its line
MAX_LINES = 20  # of one request or step; the rules beyond share the last one
OTHERS = "others"


def note(
    org_id: str, actor: str, action: str, subject: str, refused: Iterable[tuple[str, str]], *, address: str = ""
) -> None:
    """Write down what was refused: pairs of a rule (`never`, `deny:ID`…) and what it refused, e.g. an address.

    A database that is away does not make a refusal less of one: it is logged.
    """
    by_rule: dict[str, list[str]] = {}
    for rule, what in refused:
        named = rule if rule in by_rule or len(by_rule) < MAX_LINES - 1 else OTHERS
        by_rule.setdefault(named, []).append(what)
    for rule, found in by_rule.items():
        count, shown = len(found), list(dict.fromkeys(found))[:SHOWN]
        log.warning(action, org_id=org_id, subject=subject, rule=rule, count=count)
        audit.refused(org_id, actor, action, subject, rule=rule, count=count, refused=shown, address=address)
