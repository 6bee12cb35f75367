"""The one choke point for organisations: what a bound connection sees and changes is of its organisation alone.

`narrowing` makes the SQL; here the connection gets its organisation, each statement the value, and each new row a look.
See docs/decisions/0021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.selectable import SelectBase

from shared.store.narrowing import COLUMN, OPTION, OURS, NotNarrowed, WrongOrganisation, by_name, narrowing

__all__ = ["NotNarrowed", "WrongOrganisation", "bind", "bound"]

_Context: Any = DefaultExecutionContext


def bound(engine: Engine) -> Engine:
    """Return `engine`, over the same pool, for connections that `bind` gives an organisation."""
    made = engine.execution_options()
    made.dialect = narrowing(engine.dialect, _Bound)
    return made


def bind(connection: Connection, org_id: str) -> None:
    """Let a connection of a `bound` engine see and change the rows of this organisation alone."""
    connection.execution_options(**{OPTION: org_id})


class _Bound(_Context):  # type: ignore[misc]  # its methods are no public interface, and have few types
    """What SQLAlchemy makes of a statement that is run: no other way leads from a connection to its cursor.

    Its events would do too, but an engine with one looks for listeners at every turn of every statement.
    """

    @classmethod
    def _init_compiled(cls, dialect: Dialect, connection: Connection, *args: Any, **kw: Any) -> Any:  # noqa: ANN401
        """Look at what is inserted, and give the statement its organisation. Raises NotNarrowed, WrongOrganisation."""
        *first, given, statement, extracted = args[:6]
        rows: Sequence[Mapping[str, Any]] = given or ({},)
        org_id = connection.get_execution_options().get(OPTION)
        if org_id is None or not isinstance(statement, SelectBase | UpdateBase):
            raise _refusal(statement)
        if isinstance(statement, Insert) and statement.table.name in OURS and statement.select is None:
            for row in _rows(statement, rows):
                _check(statement, row, org_id)
        mine = (*first, [{**row, OPTION: org_id} for row in rows], statement, extracted, *args[6:])
        return super()._init_compiled(dialect, connection, *mine, **kw)

    @classmethod
    def _init_statement(cls, *_: object) -> Any:  # noqa: ANN401
        raise NotNarrowed("A bound connection runs no SQL that is written out.")

    @classmethod
    def _init_ddl(cls, *args: Any) -> Any:  # noqa: ANN401
        raise _refusal(args[-1])

    _init_default = _init_ddl


def _rows(statement: Insert, given: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    """Return the rows of an insert, those in VALUES or those given beside it: SQLAlchemy has no public way to ask."""
    if statement._multi_values:
        names = [column.key for column in statement.table.c]
        for several in statement._multi_values:
            for row in several:
                yield by_name(row if isinstance(row, Mapping) else dict(zip(names, row, strict=False)))
        return
    fixed = by_name(statement._values)
    for each in given:
        yield {**fixed, **each}


def _check(statement: Insert, row: Mapping[str, Any], org_id: str) -> None:
    given = row.get(COLUMN)
    if (given.value if isinstance(given, BindParameter) else given) != org_id:
        raise WrongOrganisation(f"A row of {statement.table.name} is not of the organisation of its connection.")


def _refusal(statement: object) -> NotNarrowed:
    return NotNarrowed(f"A bound connection, or one without an organisation, runs no {type(statement).__name__}.")
