"""Targets that were scanned: each is told by its newest job."""

from __future__ import annotations

from sqlalchemy import Connection, exists, literal, select

from shared.contracts.known_target import TargetView
from shared.store import search
from shared.store.tables import jobs


def page(connection: Connection, org_id: str, *, limit: int, before: str = "", q: str = "") -> list[TargetView]:
    """Return up to `limit` targets, the last submitted first, whose newest job is older than the id `before`.

    q: a query of jobs, about the newest one. Raises QueryWrong.
    """
    newer = jobs.alias("newer")
    same = (newer.c.org_id == jobs.c.org_id, newer.c.target_key == jobs.c.target_key, newer.c.id > jobs.c.id)
    columns = [jobs.c.id.label("job_id"), *(jobs.c[name] for name in TargetView.model_fields if name != "job_id")]
    query = select(*columns).where(jobs.c.org_id == org_id, ~exists(select(literal(1)).select_from(newer).where(*same)))
    if q:
        query = query.where(search.jobs(q))
    if before:
        query = query.where(jobs.c.id < before)
    rows = connection.execute(query.order_by(jobs.c.id.desc()).limit(limit)).mappings()
    return [TargetView.model_validate(dict(row)) for row in rows]
