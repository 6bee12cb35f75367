"""Findings across jobs: by default those of the newest scan of each target, with what was decided about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, Select, and_, exists, func, literal, select

from shared.contracts.finding import ChangeState
from shared.contracts.job import JobState
from shared.contracts.weakness import FindingStatus, FindingTriage, FindingView
from shared.errors import NotFound
from shared.store import pieces, search
from shared.store.tables import finding_triage, findings, jobs

_JUDGED = (JobState.SUCCEEDED, JobState.PARTIAL)
_TRIAGE = ("status", "note", "until", "changed_by", "changed_at")


class FindingNotFound(NotFound):
    """No finding of this organisation has this id."""


@dataclass(frozen=True)
class Which:
    """Which findings. q: a query.  all: also of scans that are not the newest of their target, and those fixed."""

    q: str = ""
    all: bool = False
    ids: tuple[str, ...] = ()


def page(connection: Connection, org_id: str, which: Which, *, limit: int, before: str = "") -> list[FindingView]:
    """Return up to `limit` findings, newest first, older than the id `before`. Raises QueryWrong."""
    query = _asked(org_id, which).order_by(findings.c.id.desc()).limit(limit)
    if before:
        query = query.where(findings.c.id < before)
    return [_view(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, org_id: str, finding_id: str) -> FindingView:
    """Return one finding. Raises FindingNotFound."""
    found = page(connection, org_id, Which(all=True, ids=(finding_id,)), limit=1)
    if not found:
        raise FindingNotFound(f"There is no finding {finding_id}.", cure="List them: vedette findings list")
    return found[0]


def of_job(connection: Connection, org_id: str, job_id: str) -> list[FindingView]:
    """Return the findings of a job, worst first, with the fixed and standing ones."""
    query = _selected().where(findings.c.org_id == org_id, findings.c.job_id == job_id)
    order = (findings.c.severity_rank, findings.c.rule, findings.c.subject)
    return [_view(row) for row in connection.execute(query.order_by(*order)).mappings()]


def count(connection: Connection, org_id: str, which: Which) -> int:
    """Return how many they are. Raises QueryWrong."""
    return connection.execute(select(func.count()).select_from(_asked(org_id, which).subquery())).scalar_one()


def keys(connection: Connection, org_id: str, which: Which, *, limit: int) -> list[tuple[str, str]]:
    """Return up to `limit` pairs of target and fingerprint, each once. Raises QueryWrong."""
    query = _asked(org_id, which).with_only_columns(jobs.c.target_key, findings.c.fingerprint).distinct().limit(limit)
    return [(row.target_key, row.fingerprint) for row in connection.execute(query)]


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, findings, org_id, piece)


def _asked(org_id: str, which: Which) -> Select[Any]:
    query = _selected().where(findings.c.org_id == org_id)
    if which.ids:
        query = query.where(findings.c.id.in_(which.ids))
    if which.q:
        query = query.where(search.findings(which.q))
    return query if which.all or which.ids else query.where(_is_newest(), findings.c.change != ChangeState.FIXED)


def _selected() -> Select[Any]:
    decided = [finding_triage.c[name].label(f"t_{name}") for name in _TRIAGE]
    columns = (findings.c.data, findings.c.job_id, jobs.c.target, jobs.c.kind, search.STATUS.label("status_now"))
    return select(*columns, *decided).select_from(_joined())


def _joined() -> FromClause:
    same = and_(
        finding_triage.c.org_id == findings.c.org_id,
        finding_triage.c.target_key == jobs.c.target_key,
        finding_triage.c.fingerprint == findings.c.fingerprint,
    )
    return findings.join(jobs, jobs.c.id == findings.c.job_id).outerjoin(finding_triage, same)


def _is_newest() -> ColumnElement[bool]:
    newer = jobs.alias("newer")
    same = and_(newer.c.org_id == jobs.c.org_id, newer.c.target_key == jobs.c.target_key, newer.c.id > jobs.c.id)
    is_judged = and_(newer.c.state.in_(_JUDGED), newer.c.grade.is_not(None))
    return and_(jobs.c.state.in_(_JUDGED), ~exists(select(literal(1)).select_from(newer).where(same, is_judged)))


def _view(row: RowMapping) -> FindingView:
    decided = {name: row[f"t_{name}"] for name in _TRIAGE}
    return FindingView.model_validate(
        {
            **row["data"],
            **{name: row[name] for name in ("job_id", "target", "kind")},
            "status": FindingStatus(row["status_now"]),
            "triage": FindingTriage.model_validate(decided) if decided["status"] else None,
        }
    )
