"""An organisation A with something of everything, whose texts all hold a canary; and what of it is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, insert, select

from shared.contracts.access import KeyNew
from shared.contracts.dead_letter import DeadLetterState
from shared.contracts.finding import Assessment, Finding, Severity
from shared.contracts.identity import Role
from shared.contracts.job import StageName
from shared.contracts.observation import Coverage, Observation
from shared.contracts.operation import OperationKind
from shared.contracts.policy import PolicyChange
from shared.contracts.record import RecordBatch, SpanRecord
from shared.contracts.scan_rule import Effect, NewScanRule
from shared.contracts.triage import NewRule
from shared.errors import BackOff, FailureClass
from shared.ids import new_id, now
from shared.store import (
    audit,
    deliveries,
    dlq_rules,
    evidence,
    findings,
    operations,
    policies,
    records,
    reports,
    scan_rules,
    tables,
)
from shared.store import jobs as job_store
from shared.store.engine import reading, writing
from shared.store.identity import keys, members, organisations, users
from shared.store.identity.keys import Maker
from shared.store.narrowing import OURS
from shared.store.step import Key
from tests.gateway.driving import finish

A, B = "org-a", "org-b"
CANARY = "canary-of-a"
KNOWN_TRACE = "a" * 32
TABLES = [each for each in tables.metadata.sorted_tables if each.name in OURS]


@dataclass
class Foreign:
    """What A has: ids by what they are of, and all of them."""

    jobs: list[str]
    batch: str
    letters: list[str]
    finding: str
    key: str
    user: str
    ids: set[str] = field(default_factory=set)


def found(make_job: Callable[..., str], bury: Callable[..., str]) -> Foreign:
    """Fill every table with rows of A."""
    batch = new_id()
    user = _user()
    jobs = [make_job(f"{CANARY}-{n}.example", org_id=A, tags={"owner": CANARY}, notify=[_URL]) for n in range(3)]
    finish(jobs[0])
    letters = [_bury(bury, jobs[1], state) for state in (DeadLetterState.OPEN, DeadLetterState.QUARANTINED)]
    with writing(A) as connection:
        connection.execute(tables.jobs.update().values(batch_id=batch))
        results(connection, jobs[0])
        rule = NewRule(contains=CANARY, failure_class=FailureClass.TEMPORARY)
        dlq_rules.add(connection, A, rule, CANARY)
        scan_rules.add(connection, A, NewScanRule(effect=Effect.DENY, what=f"{CANARY}.example", reason=CANARY), CANARY)
        to = PolicyChange(retries=7, back_off=BackOff.LINEAR, base_s=77.0, cap_s=777.0)
        policies.change(connection, A, FailureClass.TEMPORARY, to, CANARY)
        operations.create(connection, A, OperationKind.REPLAY, {"note": CANARY}, total=3, by=CANARY)
        key = keys.create(connection, A, KeyNew(name=CANARY, role=Role.OWNER), Maker(user, CANARY))
        audit.add(connection, A, CANARY, "job.cancel", f"job:{jobs[0]}", note=CANARY)
        records.keep(connection, _spans(jobs[0], job_store.view(connection, jobs[0]).trace_id))
    _fill_the_rest(batch)
    with reading(A) as connection:
        finding = connection.execute(select(tables.findings.c.id)).scalar_one()
    return Foreign(jobs, batch, letters, finding, key.id, user, _ids())


def bearer(org_id: str) -> dict[str, str]:
    """Make an organisation with an API key of an owner; return the header that shows it."""
    with writing() as connection:
        organisations.ensure(connection, org_id, org_id)
        made = keys.create(connection, org_id, KeyNew(name="owner", role=Role.OWNER), Maker(None, "test"))
    assert made.secret is not None
    return {"Authorization": f"Bearer {made.secret}"}


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that A has, to be compared."""
    with reading() as connection:
        return {
            one.name: sorted((tuple(row) for row in connection.execute(select(one).where(one.c.org_id == A))), key=repr)
            for one in TABLES
        }


def _user() -> str:
    with writing() as connection:
        organisations.ensure(connection, A, CANARY)
        user_id = users.create(connection, f"{CANARY}@example.org", "x", CANARY, name=CANARY, is_root=False)
        members.add(connection, A, user_id, Role.OWNER, CANARY)
    return user_id


_URL = f"https://hooks.example/{CANARY}"


def _bury(bury: Callable[..., str], job_id: str, state: DeadLetterState) -> str:
    texts = {"target": f"{CANARY}.example", "note": CANARY, "message": CANARY, "worker": CANARY}
    return bury(org_id=A, job_id=job_id, state=state, fingerprint=CANARY, raw=CANARY.encode(), **texts)


def _spans(job_id: str, trace_id: str) -> list[RecordBatch]:
    """Return a span of a job in its own trace, and one in a trace that a test knows."""
    said = {"vedette.job.id": job_id, "note": CANARY}
    spans = [
        SpanRecord(trace_id=each, span_id="b" * 16, name=CANARY, began_ns=1, ended_ns=2, attributes=said)
        for each in (trace_id, KNOWN_TRACE)
    ]
    batch = {"org_id": A, "job_id": job_id, "service": "scan", "process": CANARY}
    return [RecordBatch(id=new_id(), spans=[span], **batch) for span in spans]


def results(connection: Any, job_id: str, org_id: str = A) -> None:
    """Keep a finding, what was seen, three reports and a delivery of a job."""
    at = now()
    texts = {"title": CANARY, "subject": CANARY, "what": CANARY, "why": CANARY, "fix": CANARY}
    judged = Finding.model_validate(
        {"rule": "host.telnet", "severity": Severity.HIGH, "fingerprint": CANARY, "first_seen_at": at, **texts}
    )
    seen = Observation.model_validate({"type": "port", "subject": CANARY, "data": {"x": CANARY}, "observed_at": at})
    findings.save(connection, job_id, org_id, [judged], Assessment(score=1, grade="F"))
    evidence.save(connection, job_id, org_id, [seen], Coverage(asked=1, checked=1))
    files = {"html": CANARY, "pdf": CANARY, "json": reports.document(connection, job_id).model_dump_json()}
    for name, text in files.items():
        content, media_type = text.encode(), "application/json" if name == "json" else "text/html"
        view = reports.describe(job_id, name, media_type, f"{CANARY}.{name}", content)
        reports.save(connection, org_id, view, content)
    deliveries.begin(connection, Key(job_id, org_id, StageName.NOTIFY), "https", _URL)


def _fill_the_rest(batch: str) -> None:
    with writing(A) as connection:
        for one in TABLES:
            if connection.execute(select(one).limit(1)).first() is None:
                row = _row(one) | ({"id": batch} if one is tables.batches else {})
                connection.execute(insert(one).values(row))


def _row(one: Table) -> dict[str, Any]:
    return {
        each.name: A if each.name == "org_id" else _something(each)
        for each in one.c
        if not each.nullable and (each.default is None or each.name in {"name", "created_by", "note"})
    }


def _something(column: Any) -> Any:
    kind = getattr(column.type, "impl", column.type).python_type
    if column.name in {"id", "user_id", "family"}:
        return new_id()
    known = {"role": "owner", "status": "open", "kind": "refresh"}
    texts = known.get(column.name, CANARY[: getattr(column.type, "length", None) or 64])
    return {str: texts, int: 1, bool: False, bytes: CANARY.encode(), datetime: datetime(2027, 1, 1, tzinfo=UTC)}.get(
        kind, {}
    )


def _ids() -> set[str]:
    kept = rows()
    names = {one.name: [place for place, each in enumerate(one.c) if each.name.endswith("id")] for one in TABLES}
    return {
        row[place]
        for name, found_rows in kept.items()
        for row in found_rows
        for place in names[name]
        if isinstance(row[place], str) and len(row[place]) == 36
    }
