"""The one choke point for organisations: what a bound connection sees and changes is of its organisation alone.

`narrowing` makes the SQL; here the connection gets its organisation, each statement the value, and each new row a look.
See docs/decisions/0021.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import SelectBase

from shared.store.narrowing import COLUMN, OPTION, OURS, NotNarrowed, WrongOrganisation, by_name, narrowing

__all__ = ["NotNarrowed", "WrongOrganisation", "bind", "bound"]

Rows = Sequence[Mapping[str, Any]]


def bound(engine: Engine) -> Engine:
    """Return `engine`, over the same pool, for connections that `bind` gives an organisation."""
    made = engine.execution_options()
    made.dialect = narrowing(engine.dialect)
    event.listen(made, "before_execute", _give, retval=True)
    event.listen(made, "before_cursor_execute", _refuse_raw)
    return made


def bind(connection: Connection, org_id: str) -> None:
    """Let a connection of a `bound` engine see and change the rows of this organisation alone."""
    connection.execution_options(**{OPTION: org_id})


def _give(
    connection: Connection, statement: Executable, many: Rows, one: Mapping[str, Any], _options: object
) -> tuple[Executable, Rows, Mapping[str, Any]]:
    """Look at what is inserted, and give the statement its organisation. Raises NotNarrowed, WrongOrganisation."""
    org_id = connection.get_execution_options().get(OPTION)
    if org_id is None or not isinstance(statement, SelectBase | UpdateBase | FunctionElement):
        raise NotNarrowed(f"A bound connection, or one without an organisation, runs no {type(statement).__name__}.")
    if isinstance(statement, Insert) and statement.table.name in OURS and statement.select is None:
        for row in _rows(statement, many or (one,)):
            _check(statement, row, org_id)
    if many:
        return statement, [{**row, OPTION: org_id} for row in many], one
    return statement, many, {**one, OPTION: org_id}


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


def _refuse_raw(
    _connection: Connection, _cursor: object, statement: str, _parameters: object, context: object, _many: bool
) -> None:
    if getattr(context, "compiled", None) is None and not statement.startswith("BEGIN"):
        raise NotNarrowed("A bound connection runs no SQL that is written out.")
