"""Alerts about the installation, which are of no organisation, and who was told of them."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, UniqueConstraint, text

from shared.store.tables.columns import Id, Line, Moment, Prose, metadata
from shared.store.tables.secrets import Secret

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", Line(32), nullable=False),
    Column("subject", Line(255), nullable=False),
    Column("severity", Line(16), nullable=False),
    Column("state", Line(16), nullable=False),
    Column("summary", Prose, nullable=False),
    Column("cure", Prose, nullable=False),
    Column("value", Float, nullable=False),
    Column("bound", Float, nullable=False),
    Column("opened_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("told_at", Moment, nullable=False),
    Column("resolved_at", Moment),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Line(255), nullable=False, default="", server_default=""),
    Index(None, "state", "rule"),
    Index(
        "uq_alerts_firing",
        "rule",
        "subject",
        unique=True,
        sqlite_where=text("state = 'firing'"),
        postgresql_where=text("state = 'firing'"),
    ),
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("type", Line(32), nullable=False),
    Column("number", Integer, nullable=False),  # of the reminder, so that each is told of once
    Column("destination", Secret, nullable=False),
    Column("part", Line(64), nullable=False),
    Column("state", Line(16), nullable=False),
    Column("answer", Prose, nullable=False, default="", server_default=""),
    Column("tries", Integer, nullable=False, default=0, server_default="0"),
    Column("due_at", Moment, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("alert_id", "type", "number", "part"),
    Index(None, "state", "due_at"),
)
