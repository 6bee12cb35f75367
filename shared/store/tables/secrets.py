"""Columns whose secrets are sealed: who reads the database, or a backup of it, cannot use them.

What cannot be opened, since its key is gone, is returned as it lies there: a job can still be looked at, and only its
notification fails. What lies there plain is of before; `python -m shared.store.reseal` seals it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import JSON, Dialect, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from shared import codec, text
from shared.keyring import Unverified
from shared.redaction import DESTINATIONS

log = structlog.get_logger()

_PURPOSE = "database"


class Secret(TypeDecorator[str]):
    """A text that is sealed as a whole."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else sealed(text.kept(value))

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:  # noqa: ANN401
        del dialect
        return None if value is None else opened(value)


class JsonWithSecrets(TypeDecorator[Any]):
    """Plain data in which the destinations of notifications, at any depth, are sealed: credentials are in them."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        of_dialect = JSONB if dialect.name == "postgresql" else JSON
        return dialect.type_descriptor(of_dialect(none_as_null=True))

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> Any:  # noqa: ANN401
        del dialect
        return each_secret(value, sealed)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:  # noqa: ANN401
        del dialect
        return each_secret(value, opened)


def each_secret(value: Any, change: Callable[[str], str], *, is_secret: bool = False) -> Any:  # noqa: ANN401
    """Return plain data with every text below a key of destinations changed."""
    if isinstance(value, dict):
        return {
            key: each_secret(inner, change, is_secret=is_secret or key == DESTINATIONS) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [each_secret(inner, change, is_secret=is_secret) for inner in value]
    return change(value) if is_secret and isinstance(value, str) else value


def sealed(plain: str) -> str:
    """Return a text sealed. One that is sealed already, since its key was gone when it was read, stays as it is."""
    return plain if codec.key_of(plain) else codec.seal_text(_PURPOSE, plain)


def opened(stored: str) -> str:
    """Return what was sealed, or where that cannot be the text as it lies there."""
    if not codec.key_of(stored):
        return stored
    try:
        return codec.unseal_text(_PURPOSE, stored)
    except Unverified as exc:
        log.warning("store.secret.unreadable", reason=exc.code)
        return stored
