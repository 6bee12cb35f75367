"""Figures that only grow, of all organisations, for Prometheus; and how far the event log has been counted."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table

from shared.store.tables.columns import Json, Line, metadata

counters = Table(
    "counters",
    metadata,
    Column("name", Line(64), primary_key=True),
    Column("labels", Line(255), primary_key=True),
    Column("value", Float, nullable=False),
)

counted = Table(
    "counted",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("place", Json, nullable=False),
)
