"""A bound connection: nothing of another organisation is seen, changed or made, whatever the statement looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Connection,
    Executable,
    Select,
    Table,
    column,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    table,
    union,
    union_all,
)

from shared.store import tables
from shared.store.engine import reading, writing
from shared.store.narrowing import OURS

A, B = "org-a", "org-b"
AT = datetime(2026, 1, 2, tzinfo=UTC)
TABLES = [each for each in tables.metadata.sorted_tables if each.name in OURS]
JOBS, STEPS, FINDINGS = tables.jobs, tables.steps, tables.findings


def row_of(one: Table, org_id: str, number: int = 1) -> dict[str, Any]:
    """Return a row with something in each column that must have it; `number` tells those of one organisation apart."""
    row: dict[str, Any] = {}
    for each in one.c:
        if each.name == "org_id":
            row[each.name] = org_id
        elif each.foreign_keys or each.name == "job_id":
            row[each.name] = f"job-{org_id}-{number}"
        elif each.primary_key and _python_type(each) is str:
            row[each.name] = f"{each.name[:3]}-{org_id}-{number}" if one is not JOBS else f"job-{org_id}-{number}"
        elif each.name in {"prefix", "secret_hash", "stream_id", "fingerprint", "target_key"}:
            row[each.name] = f"{org_id}-{number}"
        elif not each.nullable and each.default is None and each.autoincrement is not True:
            row[each.name] = _something(each, number)
    return row


def _something(of: Any, number: int) -> Any:
    kind = _python_type(of)
    return AT if kind is datetime else {str: "x", int: number, float: 1.0, bool: False, bytes: b"x"}.get(kind, {})


def _python_type(of: Any) -> type:
    kind: type = getattr(of.type, "impl", of.type).python_type
    return kind


@pytest.fixture
def filled(database: str) -> str:
    """A database with a row of each in each table."""
    with writing() as connection:
        for one in TABLES:
            for org_id in (A, B):
                connection.execute(insert(one).values(row_of(one, org_id)))
    return database


def rows(connection: Connection, query: Executable) -> list[Any]:
    return [tuple(row) for row in connection.execute(query)]


def other(one: Table) -> Table:
    return STEPS if one is JOBS else JOBS


def _recursive(one: Table) -> Select[Any]:
    start = select(one.c.org_id, literal(0).label("depth")).cte("r", recursive=True)
    return select(start.union_all(select(start.c.org_id, start.c.depth + 1).where(start.c.depth < 2)).c.org_id)


def _outer(left: Any, right: Any, wrap: Callable[[Any], Any] = lambda right: right) -> Select[Any]:
    """A left join of what is of different organisations: one that is bound finds nothing on the right."""
    pairs = left.outerjoin(wrap(right), left.c.org_id != right.c.org_id)
    return select(left.c.org_id, right.c.org_id).select_from(pairs)


# What may be asked of a table, each so that it answers the organisations that it found.
SHAPES: dict[str, Callable[[Table], Executable]] = {
    "select": lambda t: select(t.c.org_id),
    "columns": lambda t: select(t).with_only_columns(t.c.org_id),
    "where": lambda t: select(t.c.org_id).where(or_(t.c.org_id == A, literal(True))),
    "alias": lambda t: select(t.alias("x").c.org_id),
    "self join": lambda t: select(t.c.org_id).join(t.alias("y"), literal(1) == 1),
    "join": lambda t: select(t.c.org_id).select_from(other(t).join(t, literal(1) == 1)),
    "outer join": lambda t: _outer(other(t), t),
    "outer join of an alias": lambda t: _outer(t, t.alias("x")),
    "outer join of a join": lambda t: _outer(t, t.alias("x"), lambda x: x.join(other(t).alias("y"), literal(1) == 1)),
    "comma": lambda t: select(t.c.org_id).where(other(t).c.org_id == t.c.org_id),
    "subquery": lambda t: select(select(t).subquery().c.org_id),
    "subquery of a subquery": lambda t: select(select(select(t).subquery()).subquery().c.org_id),
    "scalar subquery": lambda t: select(select(func.max(t.c.org_id)).where(t.c.org_id != B).scalar_subquery()),
    "scalar subquery of two": lambda t: select(other(t).c.org_id, select(func.min(t.c.org_id)).scalar_subquery()),
    "correlated": lambda t: select(other(t).c.org_id).where(exists().where(t.c.org_id == other(t).c.org_id)),
    "exists": lambda t: select(literal(A)).where(exists().where(t.c.org_id != B)),
    "in": lambda t: select(other(t).c.org_id).where(other(t).c.org_id.in_(select(t.c.org_id))),
    "cte": lambda t: select(select(t.c.org_id).cte("c").c.org_id),
    "recursive cte": _recursive,
    "union": lambda t: union(select(t.c.org_id), select(other(t).c.org_id)),
    "union all": lambda t: union_all(select(t.c.org_id).where(t.c.org_id == A), select(literal(B))),
    "union in a subquery": lambda t: select(union(select(t.c.org_id), select(t.c.org_id)).subquery().c.org_id),
    "aggregate": lambda t: select(func.max(t.c.org_id), func.min(t.c.org_id)),
    "group": lambda t: select(t.c.org_id).group_by(t.c.org_id).having(func.count() > 0).order_by(t.c.org_id),
    "window": lambda t: select(func.first_value(t.c.org_id).over(order_by=t.c.org_id)),
    "distinct": lambda t: select(t.c.org_id).distinct().order_by(t.c.org_id).limit(5).offset(0),
    "another's name": lambda t: select(table(t.name, column("org_id")).c.org_id),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_question_of_any_shape_sees_the_own_rows_alone(filled: str, shape: str) -> None:
    for one in TABLES:
        asked = SHAPES[shape](one)
        with reading(B) as connection:
            found = {value for row in rows(connection, asked) for value in row}
        assert found <= {B, None}, f"{one.name}: {found}"
        with reading() as connection:  # the same statement without an organisation, when its SQL is cached
            assert A in {value for row in rows(connection, asked) for value in row}


def test_an_outer_join_keeps_what_has_no_partner(filled: str) -> None:
    for one in TABLES:
        if one is not JOBS:
            with reading(B) as connection:
                assert rows(connection, _outer(JOBS, one)) == [(B, None)]
