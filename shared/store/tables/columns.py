"""What columns hold: moments, texts and documents that every database keeps alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from shared import text


class Moment(TypeDecorator[datetime]):
    """A point in time, always UTC: SQLite forgets the zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        del dialect
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Line(TypeDecorator[str]):
    """A short text. What cannot be stored is replaced: see `shared.text`."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else text.kept(value)


class Prose(Line):
    """A text of any length."""

    impl = Text
    cache_ok = True


class ThisTransaction(FunctionElement[int]):
    """The number of the transaction that writes, on PostgreSQL; elsewhere 0: SQLite has one writer at a time."""

    type = BigInteger()
    inherit_cache = True


class WhatItSees(FunctionElement[str]):
    """Which transactions were over when the statement began (`pg_snapshot`, as text); elsewhere nothing."""

    type = Text()
    inherit_cache = True


class SecondsBetween(FunctionElement[float]):
    """The seconds from one moment to another, to the millisecond; null where one of them is."""

    inherit_cache = True
    type = Float()


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Serial = BigInteger().with_variant(Integer, "sqlite")
Id = Line(36)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def of_job() -> Column[str]:
    return Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False)


def made() -> tuple[Column[str], Column[datetime]]:
    """Return the columns that say who made a row, and when."""
    return Column("created_by", Line(255), nullable=False, default=""), Column("created_at", Moment, nullable=False)


@compiles(ThisTransaction)
def _no_transaction(*_: object, **__: object) -> str:
    return "0"


@compiles(ThisTransaction, "postgresql")
def _this_transaction(*_: object, **__: object) -> str:
    return "pg_current_xact_id()::text::bigint"


@compiles(WhatItSees)
def _sees_all(*_: object, **__: object) -> str:
    return "''"


@compiles(WhatItSees, "postgresql")
def _what_it_sees(*_: object, **__: object) -> str:
    return "pg_current_snapshot()::text"


@compiles(SecondsBetween)
def _from_days(element: SecondsBetween, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    began, ended = (compiler.process(each, **options) for each in element.clauses)
    return f"ROUND((julianday({ended}) - julianday({began})) * 86400, 3)"


@compiles(SecondsBetween, "postgresql")
def _from_moments(element: SecondsBetween, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401
    began, ended = (compiler.process(each, **options) for each in element.clauses)
    return f"ROUND(EXTRACT(EPOCH FROM {ended} - {began})::numeric, 3)::float8"
