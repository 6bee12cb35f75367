"""A dialect of SQLAlchemy that differs from another in a few things."""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Dialect


def twin(dialect: Dialect, **own: Any) -> Dialect:  # noqa: ANN401  methods and classes of a dialect
    """Return a twin of `dialect` with these as its own. They share their state: a first connection fills it later."""
    cls = type(dialect)
    own["supports_statement_cache"] = cls.supports_statement_cache  # a class must say so itself
    made: Dialect = object.__new__(type(f"Twin{cls.__name__}", (cls,), own))
    made.__dict__ = dialect.__dict__
    return made
