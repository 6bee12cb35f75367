"""What a scan saw and could not see. Replaced as a whole when a scan is done again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from shared.contracts.observation import Coverage, Observation
from shared.store.tables import coverage, observations


def save(connection: Connection, job_id: str, org_id: str, seen: Sequence[Observation], covered: Coverage) -> None:
    """Write the observations and the coverage of a job."""
    of_job = {"job_id": job_id, "org_id": org_id}
    connection.execute(delete(observations).where(observations.c.job_id == job_id))
    if seen:
        connection.execute(insert(observations), [{**of_job, **_columns(one)} for one in seen])
    save_coverage(connection, job_id, org_id, covered)


def save_coverage(connection: Connection, job_id: str, org_id: str, covered: Coverage) -> None:
    """Write the coverage of a job."""
    connection.execute(delete(coverage).where(coverage.c.job_id == job_id))
    connection.execute(insert(coverage), _covering(job_id, org_id, covered))


def observed(connection: Connection, job_id: str) -> list[Observation]:
    """Return the observations of a job in the order they were saved."""
    columns = [observations.c[name] for name in Observation.model_fields]
    query = select(*columns).where(observations.c.job_id == job_id).order_by(observations.c.id)
    return [Observation.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def covered(connection: Connection, job_id: str) -> Coverage:
    """Return the coverage of a job; an empty one when it was never scanned."""
    data = connection.execute(select(coverage.c.data).where(coverage.c.job_id == job_id)).scalar_one_or_none()
    return Coverage.model_validate(data or {})


def _covering(job_id: str, org_id: str, covered: Coverage) -> dict[str, object]:
    return {"job_id": job_id, "org_id": org_id, "data": covered.model_dump(mode="json")}


def _columns(one: Observation) -> dict[str, object]:
    return {**one.model_dump(mode="json"), "observed_at": one.observed_at}
