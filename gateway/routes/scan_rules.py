"""Scan rules: what an organisation may scan, and what not."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from gateway import idempotency, lookup
from gateway.auth import Asking, Caller, Forbidden, described, needs, refusals
from gateway.lookup import Piece
from gateway.openapi import problems
from gateway.page import Page
from shared.contracts.identity import Permission
from shared.contracts.scan_rule import Effect, NewScanRule, ScanRule
from shared.store import audit, scan_rules
from shared.store.engine import Connection, reading, writing

router = APIRouter(
    prefix="/api/v1/scan-rules", tags=["targets"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)


@router.get("", dependencies=[needs(Permission.READ)])
def list_scan_rules(caller: Asking) -> Page[ScanRule]:
    """All rules, also expired ones, the oldest first."""
    with reading(caller.org_id) as connection:
        return Page(items=scan_rules.all_of(connection, caller.org_id))


@router.post("", status_code=201, dependencies=[needs(Permission.POLICY)], responses=problems(400, 409, 413, 415))
def add_scan_rule(caller: Asking, new: NewScanRule) -> ScanRule:
    """Make a rule. It holds for submissions and scans that begin from now on. A grant is the operator's to make."""
    if new.effect is Effect.GRANT and Permission.INSTALLATION not in caller.permissions:
        told = {"permission": Permission.INSTALLATION, "asked": f"grant {new.what}"}
        refusals.note(caller.org_id, caller.actor, "access.denied", caller.address, **told)
        raise Forbidden(
            "A grant opens networks of the installation, so only its operator makes one.",
            cure="Ask for: vedette targets rules grant NETWORK --until 7d",
        )
    with writing(caller.org_id) as connection:
        made = scan_rules.add(connection, caller.org_id, new, caller.actor)
        subject, after = f"scan-rule:{made.id}", _plain(made)
        _write_down(connection, caller, "scan-rule.add", subject, after=after, reason=new.reason)
        return idempotency.answered(connection, made)


@router.delete(
    "/{id}",
    status_code=204,
    response_class=Response,
    dependencies=[needs(Permission.POLICY)],
    responses=problems(404, 409),
)
def remove_scan_rule(caller: Asking, piece: Piece) -> Response:
    """Remove a rule."""
    with writing(caller.org_id) as connection:
        rule_id = lookup.scan_rule_id(connection, caller, piece)
        gone = scan_rules.remove(connection, caller.org_id, rule_id)
        subject, before = f"scan-rule:{rule_id}", _plain(gone)
        _write_down(connection, caller, "scan-rule.remove", subject, before=before)
    return Response(status_code=204)


def _write_down(connection: Connection, caller: Caller, action: str, subject: str, **more: Any) -> None:  # noqa: ANN401
    audit.add(connection, caller.org_id, caller.actor, action, subject, address=caller.address, **more)


def _plain(rule: ScanRule) -> dict[str, object]:
    return rule.model_dump(mode="json", include={"effect", "what", "reason", "expires_at"})
