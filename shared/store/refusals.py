"""Refusals by policy in the audit: one line per rule with a count, in a transaction of its own.

What was refused fails, and its transaction with it; the line stays.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from shared.errors import Infrastructure
from shared.store import audit
from shared.store.engine import writing

log = structlog.get_logger()

SHOWN = 5  # of what one rule refused, named in its line


def note(
    org_id: str, actor: str, action: str, subject: str, refused: Iterable[tuple[str, str]], *, address: str = ""
) -> None:
    """Write down what was refused: pairs of a rule (`never`, `deny:ID`…) and what it refused, e.g. an address.

    A database that is away does not make a refusal less of one: it is logged.
    """
    by_rule: dict[str, list[str]] = {}
    for rule, what in refused:
        by_rule.setdefault(rule, []).append(what)
    for rule, found in by_rule.items():
        log.warning(action, org_id=org_id, subject=subject, rule=rule, count=len(found))
    try:
        with writing(org_id) as connection:
            for rule, found in by_rule.items():
                shown = list(dict.fromkeys(found))[:SHOWN]
                audit.add(
                    connection,
                    org_id,
                    actor,
                    action,
                    subject,
                    rule=rule,
                    count=len(found),
                    refused=shown,
                    address=address,
                )
    except Infrastructure as exc:
        log.warning("refusal.unaudited", action=action, org_id=org_id, error=exc.code)
