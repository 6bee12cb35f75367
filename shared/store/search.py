"""Queries as SQL conditions for jobs and for dead letters; the language is `shared.contracts.query`.

Values travel as parameters alone. A condition on what a row lacks does not hold; negated, it does. Targets: an address
means itself; a network or range is compared in SQL with the rows that are addresses (`inet`, which SQLite gets from
`store.sqlite`); anything else is a piece of the name.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, literal, not_, or_, select, true

from shared.contracts import query
from shared.contracts.addresses import span
from shared.contracts.job import JobState, StageName, StepState
from shared.contracts.lanes import STAGE_OF
from shared.contracts.query import Term
from shared.contracts.weakness import FindingStatus
from shared.ids import now
from shared.store.tables import dead_letters as letters
from shared.store.tables import finding_triage as triage
from shared.store.tables import findings as all_findings
from shared.store.tables import jobs as all_jobs
from shared.store.tables import steps

Condition = ColumnElement[bool]
Meaning = Callable[[str], Condition]  # of one value of a field

ID_LENGTH = 36  # of a whole UUID, which an index finds
_DIGITS = "0123456789."  # of IPv4
_HEX = "0123456789abcdef.:"  # of IPv6, which always has a colon
_FAILED = (JobState.FAILED.value, JobState.DEAD.value)
_OPEN = (StepState.PENDING.value, StepState.RUNNING.value, StepState.RETRYING.value)


def jobs(text: str) -> Condition:
    """Return the condition on the table `jobs` that a query asks for. Raises query.QueryWrong."""
    return and_(true(), *(_signed(term, _JOBS) for term in query.parse(text, query.JOBS)))


def dead_letters(text: str) -> Condition:
    """Return the condition on the table `dead_letters` that a query asks for. Raises query.QueryWrong."""
    return and_(true(), *(_signed(term, _LETTERS) for term in query.parse(text, query.DEAD_LETTERS)))


def findings(text: str) -> Condition:
    """Return the condition on `findings` joined with `jobs` and `finding_triage`. Raises query.QueryWrong."""
    return and_(true(), *(_signed(term, _FINDINGS) for term in query.parse(text, query.FINDINGS)))


def _signed(term: Term, meanings: dict[str, Meaning]) -> Condition:
    meaning = meanings["" if term.is_free else term.field]
    meant = or_(*(meaning(value) for value in term.values))
    return not_(func.coalesce(meant, false())) if term.is_negated else meant


def _is(column: ColumnElement[Any]) -> Meaning:
    return lambda value: column == value


def _like(column: ColumnElement[Any]) -> Meaning:
    """An id: its beginning or its end."""

    def meaning(value: str) -> Condition:
        piece = value.lower()
        if len(piece) == ID_LENGTH:
            return column == piece
        return or_(column.startswith(piece, autoescape=True), column.endswith(piece, autoescape=True))

    return meaning


def _aged(column: ColumnElement[Any], *also: Condition) -> Meaning:
    def meaning(value: str) -> Condition:
        is_longer_ago, length = query.age(value)
        moment = now() - length
        return and_(column < moment if is_longer_ago else column >= moment, *also)

    return meaning


def _contains(target: ColumnElement[Any]) -> Meaning:
    return lambda value: target.icontains(value, autoescape=True)


def _target(target: ColumnElement[Any], kind: ColumnElement[Any], *, is_free: bool = False) -> Meaning:
    def meaning(value: str) -> Condition:
        ends = span(value)
        if ends is None or (is_free and ends[0] == ends[1]):
            return _contains(target)(value)
        if ends[0] == ends[1]:
            return _is(target)(str(ends[0]))
        is_v6 = and_(target.contains(":"), func.rtrim(target, _HEX) == "")
        # The cheap look at the text goes first: `inet` is Python on SQLite, and would be asked of every row.
        is_near = target.startswith(_beginning(str(ends[0]), str(ends[1])), autoescape=True)
        is_address = and_(kind == "host", is_near, or_(func.rtrim(target, _DIGITS) == "", is_v6))
        # A CASE, since PostgreSQL is free to try `inet` first in an AND, and fails where the text is no address.
        within = func.inet(target).between(func.inet(str(ends[0])), func.inet(str(ends[1])))
        found: Condition = case((is_address, within), else_=false())
        return found

    return meaning


def _beginning(first: str, last: str) -> str:
    """Return the octets that all IPv4 addresses between two begin with; nothing of IPv6, which is shortened."""
    if ":" in first:
        return ""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first.split("."), last.split("."), strict=True))
    return "".join(f"{octet}." for octet, _ in same)


def _tagged(value: str) -> Condition:
    name, _, wanted = value.partition("=")
    tag: ColumnElement[Any] = all_jobs.c.tags[name.lower()].as_string()
    return tag == wanted if wanted else tag.is_not(None)


def _queued(value: str) -> Condition:
    """The lane of a job's scan, or the queue of the stage that it has come to."""
    stage = STAGE_OF[value]
    return all_jobs.c.lane == value if stage is StageName.SCAN else _at(stage)


def _staged(value: str) -> Condition:
    """The stage that a job has come to, or failed in."""
    return or_(_at(StageName(value)), all_jobs.c.failure["stage"].as_string() == value)


def _at(stage: StageName) -> Condition:
    mine = and_(steps.c.job_id == all_jobs.c.id, steps.c.stage == stage.value, steps.c.part == "")
    is_next = and_(steps.c.ready_at.is_not(None), steps.c.state.in_(_OPEN))
    return and_(all_jobs.c.finished_at.is_(None), exists(select(literal(1)).where(mine, is_next)))


def _of_letters(condition: Meaning) -> Meaning:
    """A job that has a dead letter of which this holds."""
    return lambda value: exists(select(literal(1)).where(letters.c.job_id == all_jobs.c.id, condition(value)))


def _of_job(condition: Meaning) -> Meaning:
    """A dead letter of whose job this holds."""
    return lambda value: exists(select(literal(1)).where(all_jobs.c.id == letters.c.job_id, condition(value)))


def _classed(value: str) -> Condition:
    return letters.c.is_poison if value == "poison" else letters.c.failure_class == value


_IS_DECIDED = or_(triage.c.until.is_(None), triage.c.until > func.current_timestamp())
# What holds of a finding now: a decision that has ended is none.
STATUS: ColumnElement[str] = func.coalesce(case((_IS_DECIDED, triage.c.status)), FindingStatus.OPEN.value)

_FINDINGS: dict[str, Meaning] = {
    "": _target(all_jobs.c.target, all_jobs.c.kind, is_free=True),
    "change": _is(all_findings.c.change),
    "first_seen": _aged(all_findings.c.first_seen_at),
    "id": _like(all_findings.c.id),
    "job": _like(all_findings.c.job_id),
    "kind": _is(all_jobs.c.kind),
    "rule": _is(all_findings.c.rule),
    "severity": _is(all_findings.c.severity),
    "status": _is(STATUS),
    "target": _target(all_jobs.c.target, all_jobs.c.kind),
}
_JOBS: dict[str, Meaning] = {
    "": _target(all_jobs.c.target, all_jobs.c.kind, is_free=True),
    "batch": _like(all_jobs.c.batch_id),
    "class": _is(all_jobs.c.failure["failure_class"].as_string()),
    "code": _is(all_jobs.c.failure["code"].as_string()),
    "created": _aged(all_jobs.c.created_at),
    "ended": _aged(all_jobs.c.finished_at),
    "failed": _aged(all_jobs.c.finished_at, all_jobs.c.state.in_(_FAILED)),
    "id": _like(all_jobs.c.id),
    "kind": _is(all_jobs.c.kind),
    "origin": _like(all_jobs.c.origin_id),
    "priority": _is(all_jobs.c.priority),
    "profile": _is(all_jobs.c.profile),
    "queue": _queued,
    "reason": _of_letters(_is(letters.c.reason)),
    "stage": _staged,
    "state": _is(all_jobs.c.state),
    "tag": _tagged,
    "target": _target(all_jobs.c.target, all_jobs.c.kind),
}
_LETTERS: dict[str, Meaning] = {
    "": _target(letters.c.target, letters.c.target_kind, is_free=True),
    "class": _classed,
    "code": _is(letters.c.code),
    "created": _aged(letters.c.first_failed_at),
    "ended": _aged(letters.c.ended_at),
    "failed": _aged(letters.c.last_failed_at),
    "group": _is(letters.c.fingerprint),
    "id": _like(letters.c.id),
    "job": _like(letters.c.job_id),
    "kind": _is(letters.c.target_kind),
    "queue": _is(letters.c.queue),
    "reason": _is(letters.c.reason),
    "stage": _is(letters.c.stage),
    "state": _is(letters.c.state),
    "tag": _of_job(_tagged),
    "target": _target(letters.c.target, letters.c.target_kind),
    "task": _is(letters.c.task),
    "type": _is(letters.c.error_type),
    "worker": _is(letters.c.worker),
}
