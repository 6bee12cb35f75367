"""Rules that overrule the classifier of failures."""

from __future__ import annotations

from fastapi import APIRouter, Response

from gateway import idempotency, lookup
from gateway.auth import Asking, described, needs
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.dead_letter import Rule
from shared.contracts.identity import Permission
from shared.contracts.triage import NewRule, RuleTest
from shared.store import audit, dlq_rules
from shared.store.engine import reading, writing

router = APIRouter(
    prefix="/api/v1/dlq/rules", tags=["dlq"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)


@router.get("", dependencies=[needs(Permission.READ)])
def list_rules(caller: Asking) -> Page[Rule]:
    """All rules, the oldest first."""
    with reading(caller.org_id) as connection:
        return Page(items=dlq_rules.all_of(connection, caller.org_id))


@router.post("", status_code=201, responses=problems(400, 413, 415), dependencies=[needs(Permission.POLICY)])
def add_rule(caller: Asking, new: NewRule) -> Rule:
    """Make a rule. It holds for failures to come, within seconds."""
    with writing(caller.org_id) as connection:
        made = dlq_rules.add(connection, caller.org_id, new, caller.actor)
        plain = new.model_dump(mode="json", exclude_defaults=True)
        audit.add(
            connection, caller.org_id, caller.actor, "dlq.rule.add", f"rule:{made.id}", **plain, address=caller.address
        )
        return idempotency.answered(connection, made)


@router.post(":test", responses=problems(400, 413, 415), dependencies=[needs(Permission.READ)])
def test_rule(caller: Asking, new: NewRule) -> RuleTest:
    """What a rule would match among the dead letters there are. Nothing is made."""
    with reading(caller.org_id) as connection:
        return dlq_rules.test(connection, caller.org_id, new)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
    dependencies=[needs(Permission.POLICY)],
)
def remove_rule(caller: Asking, piece: Piece) -> Response:
    """Remove a rule. What it classed stays so."""
    with writing(caller.org_id) as connection:
        rule_id = lookup.rule_id(connection, caller, piece)
        dlq_rules.remove(connection, caller.org_id, rule_id)
        audit.add(connection, caller.org_id, caller.actor, "dlq.rule.remove", f"rule:{rule_id}", address=caller.address)
    return Response(status_code=204)
