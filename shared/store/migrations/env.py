"""Alembic's entry: runs on the connection that `shared.store.migrate` hands over."""

from typing import Any, Literal

from alembic import context

from shared.store.tables import metadata
from shared.store.tables.columns import Json, Line, Moment


def render(kind: str, value: Any, _autogen: object) -> str | Literal[False]:  # noqa: ANN401  alembic's signature
    """Write our own column types as plain ones, so that an old migration does not change when they do."""
    if kind == "type" and isinstance(value, Moment):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(value, Line):
        return f"sa.{value.impl!r}"
    if kind == "type" and value is Json:
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=render,
    compare_type=False,
)
context.run_migrations()
