"""A compiler of SQL that writes `org_id = :vedette_org` beside every table of ours that has the column.

It does so wherever the table stands: in joins, subqueries, CTEs, unions, what is changed or inserted from a query.
Once for a statement, since its SQL is cached: the organisation is a value. What it cannot narrow, it refuses.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DontWrapMixin
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping, Join, TableClause

from shared.errors import Security
from shared.store.dialect import twin
from shared.store.tables import metadata

OPTION = "vedette_org"  # of a connection, and the name of the value in its statements
COLUMN = "org_id"
OURS = frozenset(table.name for table in metadata.tables.values() if COLUMN in table.c)
_ORG = bindparam(OPTION, type_=metadata.tables["jobs"].c[COLUMN].type, required=True)
_Compiler: Any = SQLCompiler  # its methods have no types


class WrongOrganisation(Security, DontWrapMixin):
    """Something was to be written for another organisation than that of the connection."""


class NotNarrowed(Security, DontWrapMixin):
    """A statement on a bound connection cannot be narrowed to its organisation. The fault is ours, not the caller's."""

    status = 500


def narrowing(dialect: Dialect, execution: type) -> Dialect:
    """Return a twin of `dialect` with the compiler below.

    execution: a mixin for what the dialect makes of each statement that is run.
    """
    compiler = type("NarrowingCompiler", (_Narrowing, dialect.statement_compiler), {})
    context = type("NarrowedContext", (execution, dialect.execution_ctx_cls), {})
    return twin(dialect, statement_compiler=compiler, execution_ctx_cls=context)


def by_name(values: Any) -> dict[str, Any]:
    """Return what is given for columns by their names, whether they were named or meant themselves."""
    return {str(getattr(column, "key", column)): value for column, value in dict(values or {}).items()}


class _Narrowing(_Compiler):  # type: ignore[misc]  # of Any, for the same reason
    """Narrows each part of a statement as it is written. `_kept`: the tables for which that was done."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        self._kept: set[object] = set()
        super().__init__(*args, **kw)

    def visit_select(self, select_stmt: Any, *args: Any, **kw: Any) -> str:
        narrowed = select_stmt.where(*self._conditions(select_stmt.get_final_froms()))
        return str(super().visit_select(narrowed, *args, **kw))

    def visit_join(self, join: Any, *args: Any, **kw: Any) -> str:
        """In an outer join the condition belongs to ON: in WHERE it would make an inner join of it."""
        if join.isouter:
            conditions = self._conditions([join.right])
            join = copy.copy(join)
            join.onclause = and_(join.onclause, *conditions)
        return str(super().visit_join(join, *args, **kw))

    def visit_update(self, update_stmt: Any, *args: Any, **kw: Any) -> str:
        _refuse_moving(update_stmt.table, {*by_name(update_stmt._values), *(self.column_keys or ())})
        return str(super().visit_update(self._narrowed(update_stmt), *args, **kw))

    def visit_delete(self, delete_stmt: Any, *args: Any, **kw: Any) -> str:
        return str(super().visit_delete(self._narrowed(delete_stmt), *args, **kw))

    def visit_insert(self, insert_stmt: Any, *args: Any, **kw: Any) -> str:
        if insert_stmt.table.name in OURS and insert_stmt.select is not None:
            insert_stmt = _selecting(insert_stmt)
        elif insert_stmt.table.name in OURS and self.stack:  # within a CTE: nobody checked its rows
            raise NotNarrowed(f"An insert into {insert_stmt.table.name} within another statement cannot be checked.")
        return str(super().visit_insert(insert_stmt, *args, **kw))

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        """The row that is there already may be of another organisation."""
        table = self.stack[-1]["selectable"].table
        if table.name in OURS:
            _refuse_moving(table, by_name(on_conflict.update_values_to_set))
            mine, earlier = table.c[COLUMN] == _ORG, on_conflict.update_whereclause
            on_conflict = copy.copy(on_conflict)
            on_conflict.update_whereclause = mine if earlier is None else and_(earlier, mine)
        return str(super().visit_on_conflict_do_update(on_conflict, **kw))

    def visit_table(self, table: Any, asfrom: bool = False, **kw: Any) -> str:
        """The last look: a table that gets here unnarrowed stands where nobody thought of."""
        alias = kw.get("enclosing_alias")  # it may be that of a subquery in which the table stands
        named = table if alias is None or alias.element is not table else alias
        if asfrom and table.name in OURS and named not in self._kept:
            raise NotNarrowed(f"{table.name} stands where it cannot be narrowed to an organisation.")
        return str(super().visit_table(table, asfrom=asfrom, **kw))

    def visit_textclause(self, *_args: Any, **_kw: Any) -> str:
        raise NotNarrowed("A bound connection runs no SQL that is written out.")

    visit_textual_select = visit_textclause

    def visit_column(self, column: Any, *args: Any, **kw: Any) -> str:
        if column.is_literal and "(" in column.name:  # SQLAlchemy's own are `*` and `'%'`; without it nothing is read
            raise NotNarrowed("A bound connection runs no SQL that is written out.")
        return str(super().visit_column(column, *args, **kw))

    def _narrowed(self, statement: Any) -> Any:
        others = statement._compile_state_factory(statement, self)._extra_froms  # it alone knows what else is named
        return statement.where(*self._conditions([statement.table, *others]))

    def _conditions(self, froms: Iterable[Any]) -> list[ColumnElement[bool]]:
        return [condition for each in froms for condition in self._condition(each)]

    def _condition(self, one: Any) -> list[ColumnElement[bool]]:
        if isinstance(one, FromGrouping):
            return self._condition(one.element)
        if isinstance(one, Join):
            if one.full:
                raise NotNarrowed("A full outer join cannot be narrowed to an organisation.")
            return self._conditions([one.left] if one.isouter else [one.left, one.right])
        chain = [one]
        while isinstance(chain[-1], AliasedReturnsRows):
            chain.append(chain[-1].element)
        if not isinstance(chain[-1], TableClause) or chain[-1].name not in OURS or COLUMN not in one.c:
            return []
        self._kept.update(chain[:-1] or chain)
        return [one.c[COLUMN] == _ORG]


def _refuse_moving(table: Any, changed: Iterable[str] | Mapping[str, Any]) -> None:
    if table.name in OURS and COLUMN in set(changed):
        raise WrongOrganisation(f"A row of {table.name} stays with its organisation.")


def _selecting(statement: Any) -> Any:
    """Narrow what an insert selects: rows that it makes up for another organisation are not inserted."""
    names = [getattr(name, "key", name) for name in statement._select_names or ()]
    if COLUMN not in names:
        raise NotNarrowed(f"An insert into {statement.table.name} names no organisation.")
    columns = list(statement.select.subquery().c)
    narrowed = copy.copy(statement)
    narrowed.select = select(*columns).where(columns[names.index(COLUMN)] == _ORG)
    return narrowed
