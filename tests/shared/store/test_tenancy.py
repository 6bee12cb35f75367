"""A bound connection: nothing of another organisation is seen, changed or made, whatever the statement looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import (
    ColumnElement,
    Connection,
    Executable,
    Select,
    Sequence,
    Table,
    and_,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    table,
    text,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.schema import CreateTable

from shared.store import tables
from shared.store.engine import insert_missing, reading, writing
from shared.store.narrowing import OURS
from shared.store.tenancy import NotNarrowed, WrongOrganisation

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


def test_every_row_says_whose_it_is() -> None:
    shared = {"organisations", "users", "plugins", "alerts", "alert_notices", "counters", "counted"}
    assert {each.name for each in tables.metadata.sorted_tables} - shared == OURS
    for one in TABLES:
        assert not one.c.org_id.nullable, one.name
        assert one.c.org_id.default is one.c.org_id.server_default is None, one.name


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


def changes(one: Table) -> dict[str, Executable]:
    """Return what would change or make something of A, and is done by B."""
    own, theirs = row_of(one, B, 2), row_of(one, A, 2)
    plain = [each for each in one.c if each.name != "org_id" and not each.primary_key and not each.foreign_keys]
    free = next((each for each in plain if _python_type(each) is str), plain[0])
    kept = {free.name: "y" if _python_type(free) is str else {}}
    unnarrowed = table(one.name, column("org_id"), column(free.name, free.type))
    return {
        "update": update(one).values(**kept),
        "update where": update(one).where(one.c.org_id == A).values(**kept),
        "update in": update(one).where(one.c.org_id.in_(select(other(one).c.org_id))).values(**kept),
        "update exists": update(one).where(exists().where(other(one).c.org_id == one.c.org_id)).values(**kept),
        "update from": update(one).where(one.c.org_id == other(one).c.org_id).values(**kept),
        "update of a bare name": update(unnarrowed).values(**kept),
        "delete": delete(one),
        "delete where": delete(one).where(one.c.org_id == A),
        "delete in": delete(one).where(one.c.org_id.in_(select(one.c.org_id))),
        "insert from select": insert(one).from_select(
            list(theirs), select(*(literal(theirs[name], one.c[name].type) for name in theirs))
        ),
        "insert from a table": insert(one).from_select(
            list(own), select(*(one.c[name] for name in own)).where(one.c.org_id == A)
        ),
    }


def of_a(connection: Connection) -> dict[str, list[Any]]:
    return {one.name: rows(connection, select(one).where(one.c.org_id == A)) for one in TABLES}


@pytest.mark.parametrize("shape", changes(JOBS))
def test_a_change_of_any_shape_leaves_the_rows_of_others(filled: str, shape: str) -> None:
    with reading() as connection:
        before = of_a(connection)
    for one in reversed([each for each in TABLES if each is not tables.audit]):  # which nobody may change
        with writing(B) as connection:
            connection.execute(changes(one)[shape])
    with reading() as connection:
        assert of_a(connection) == before


@pytest.mark.filterwarnings("ignore:Column .* is marked as a member of the primary key")  # SQLAlchemy looks first
def test_a_row_of_another_organisation_is_not_inserted(filled: str) -> None:
    for one in TABLES:
        theirs, own = row_of(one, A, 2), row_of(one, B, 2)
        nobodys = {name: value for name, value in own.items() if name != "org_id"}
        for statement, given_rows in [
            (insert(one).values(theirs), None),
            (insert(one).values(nobodys), None),
            (insert(one).values([own, theirs]), None),
            (insert(one), theirs),
            (insert(one), [own, theirs]),
            (insert(one).values(org_id=func.lower(A)), nobodys),
            (insert(one).values(org_id=B), theirs),
        ]:
            with pytest.raises(WrongOrganisation), writing(B) as connection:
                connection.execute(statement, given_rows)
        with pytest.raises(WrongOrganisation), writing(B) as connection:
            insert_missing(connection, one, [own, theirs])


def test_own_rows_are_inserted_in_every_way(filled: str) -> None:
    one = tables.operations
    with writing(B) as connection:
        connection.execute(insert(one).values(row_of(one, B, 2)))
        connection.execute(insert(one), [row_of(one, B, 3), row_of(one, B, 4)])
        connection.execute(insert(one).values([row_of(one, B, 5), row_of(one, B, 6)]))
        insert_missing(connection, one, [row_of(one, B, 6), row_of(one, B, 7)])
        copied = [literal("copy").label("id") if each.name == "id" else each for each in one.c]
        asked = select(*copied).where(one.c.id.endswith("-1"))
        connection.execute(insert(one).from_select([each.name for each in one.c], asked))
    with reading() as connection:
        found = select(one.c.org_id, func.count()).group_by(one.c.org_id).order_by(one.c.org_id)
        assert rows(connection, found) == [(A, 1), (B, 8)]


def test_an_upsert_changes_no_row_of_another_organisation(filled: str) -> None:
    upsert = postgresql_insert if filled.startswith("postgresql") else sqlite_insert
    row = row_of(JOBS, A) | {"org_id": B, "target": "stolen"}
    asked = upsert(JOBS).values(row)
    with writing(B) as connection:
        connection.execute(asked.on_conflict_do_update(index_elements=["id"], set_={"target": "stolen"}))
        connection.execute(asked.on_conflict_do_nothing())
    with pytest.raises(WrongOrganisation), writing(B) as connection:
        connection.execute(asked.on_conflict_do_update(index_elements=["id"], set_={"org_id": B}))
    with reading() as connection:
        assert rows(connection, select(JOBS.c.target).where(JOBS.c.org_id == A)) == [("x",)]


def test_a_row_does_not_move_to_another_organisation(filled: str) -> None:
    for statement, given_rows in [
        (update(JOBS).values(org_id=A), None),
        (update(JOBS).values({JOBS.c.org_id: A}), None),
        (update(JOBS).ordered_values((JOBS.c.org_id, A)), None),
        (update(JOBS), {"org_id": A}),
    ]:
        with pytest.raises(WrongOrganisation), writing(B) as connection:
            connection.execute(statement, given_rows)


def test_what_cannot_be_narrowed_is_refused(filled: str) -> None:
    made = insert(JOBS).values(row_of(JOBS, A, 2)).returning(JOBS.c.id).cte("made")
    for statement in (
        text("SELECT * FROM jobs"),
        text("SELECT id FROM jobs").columns(JOBS.c.id),
        select(text("* FROM jobs")),
        select(JOBS.c.id).where(text("1 = 1) OR (1 = 1")),
        select(literal_column("(SELECT max(id) FROM jobs)")),
        select(table("jobs", column("id")).c.id),
        select(JOBS.c.id, STEPS.c.stage).select_from(JOBS.join(STEPS, JOBS.c.id == STEPS.c.job_id, full=True)),
        select(made.c.id),
    ):
        with pytest.raises(NotNarrowed), reading(B) as connection:
            connection.execute(statement)
    with pytest.raises(NotNarrowed), reading(B) as connection:
        connection.exec_driver_sql("SELECT * FROM jobs")
    for unusual in (Sequence("numbers"), CreateTable(JOBS, if_not_exists=True)):
        with pytest.raises(NotNarrowed), writing(B) as connection:
            connection.scalar(unusual)


def test_a_statement_cannot_say_that_it_is_of_another_organisation(filled: str) -> None:
    asked = select(JOBS.c.org_id)
    with reading(B) as connection:
        assert rows(connection, asked.execution_options(vedette_org=A)) == [(B,)]
        assert [tuple(row) for row in connection.execute(asked, {"vedette_org": A})] == [(B,)]


def test_connections_of_several_organisations_at_once_keep_theirs(filled: str) -> None:
    asked = select(JOBS.c.org_id)
    with reading(A) as first, reading(B) as second, reading() as third:
        found = [rows(each, asked.order_by(JOBS.c.org_id)) for each in (first, second, third, second, first)]
    assert found == [[(A,)], [(B,)], [(A,), (B,)], [(B,)], [(A,)]]


def test_the_sql_of_a_statement_is_made_once_for_all_organisations(filled: str) -> None:
    asked = select(JOBS.c.id).where(JOBS.c.state == "x")
    with reading(A) as connection:
        rows(connection, asked)
        cache = connection.engine._compiled_cache
        assert cache is not None
        size = len(cache)
    for org_id in (A, B, "org-c"):
        with reading(org_id) as connection:
            rows(connection, select(JOBS.c.id).where(JOBS.c.state == org_id))
    assert len(cache) == size


# Questions put together from smaller ones. Each answers one column: the organisation of what it found.
SOURCES = some.sampled_from([JOBS, STEPS, FINDINGS, tables.dead_letters, tables.events])
CONDITIONS: dict[str, Callable[[ColumnElement[str], Select[Any]], ColumnElement[bool]]] = {
    "or": lambda org, _: or_(org == A, org == B, literal(1) == 1),
    "not": lambda org, _: org != B,
    "in": lambda org, inner: org.in_(inner),
    "not in": lambda org, inner: org.not_in(inner),
    "exists": lambda _, inner: exists(inner),
    "scalar": lambda org, inner: org == inner.limit(1).scalar_subquery(),
    "and": lambda org, inner: and_(org.is_not(None), or_(exists(inner), org.in_(inner))),
}


def _from(one: Any) -> Select[Any]:
    return select(one.c.org_id)


def _grown(inner: some.SearchStrategy[Select[Any]]) -> some.SearchStrategy[Select[Any]]:
    return some.one_of(
        some.builds(lambda q: select(q.subquery().c.org_id), inner),
        some.builds(lambda q: select(q.cte().c.org_id), inner),
        some.builds(lambda p, q: select(union_all(p, q).subquery().c.org_id), inner, inner),
        some.builds(_asking, SOURCES, some.sampled_from(sorted(CONDITIONS)), inner),
        some.builds(_joining, SOURCES, inner, some.booleans()),
        some.builds(lambda q: q.distinct(), inner),
    )


def _asking(one: Table, name: str, inner: Select[Any]) -> Select[Any]:
    other_name = one.alias()
    return _from(other_name).where(CONDITIONS[name](other_name.c.org_id, inner))


def _joining(one: Table, inner: Select[Any], is_outer: bool) -> Select[Any]:
    right, left = one.alias(), inner.subquery()
    pairs = left.join(right, or_(left.c.org_id != right.c.org_id, literal(1) == 1), isouter=is_outer)
    return select(right.c.org_id).select_from(pairs)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=some.recursive(SOURCES.map(_from), _grown, max_leaves=6))
def test_a_question_of_many_parts_sees_the_own_rows_alone(filled: str, asked: Select[Any]) -> None:
    with reading(B) as connection:
        assert {row[0] for row in rows(connection, asked)} <= {B, None}
