"""Targets: those that were scanned, and what would become of others if they were submitted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from gateway.auth import Asking, described, needs
from gateway.openapi import problems
from gateway.page import Page, Paged
from gateway.submission import AnyTarget
from gateway.verdicts import verdicts
from shared.contracts.identity import Permission
from shared.contracts.known_target import TargetView
from shared.contracts.query import MAX_LENGTH
from shared.contracts.scan_rule import TargetCheck, TargetVerdict
from shared.contracts.submission import MAX_TARGETS
from shared.store import known_targets, scan_rules
from shared.store.engine import reading

router = APIRouter(
    prefix="/api/v1/targets", tags=["targets"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)


class Check(TargetCheck):
    """Targets to be judged without being scanned."""

    targets: list[AnyTarget] = Field(min_length=1, max_length=MAX_TARGETS)


@router.post(":check", dependencies=[needs(Permission.SUBMIT)], responses=problems(400, 413, 415))
def check_targets(caller: Asking, asked: Check) -> Page[TargetVerdict]:
    """Judge targets as a submission would, address by address. Nothing is scanned, and nothing written."""
    with reading(caller.org_id) as connection:
        within = scan_rules.reach(connection, caller.org_id)
    return Page(items=verdicts(caller.org_id, asked.targets, within))


@router.get("", dependencies=[needs(Permission.READ)])
def list_targets(
    caller: Asking,
    paging: Paged,
    q: Annotated[str, Query(max_length=MAX_LENGTH, description="A query of jobs, about the newest of each.")] = "",
) -> Page[TargetView]:
    """Targets, each with what its newest job says, the last submitted first."""
    with reading(caller.org_id) as connection:
        found = known_targets.page(connection, caller.org_id, limit=paging.more, before=paging.after, q=q)
    return paging.cut(found, "job_id")
