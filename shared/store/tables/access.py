"""Organisations, who belongs to them, with what they prove it, and what they may scan."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from shared.store.tables.columns import Id, Json, Line, Moment, Prose, made, metadata

organisations = Table(
    "organisations",
    metadata,
    Column("id", Line(64), primary_key=True),
    Column("name", Line(200), nullable=False),
    Column("limits", Json, nullable=False, default=dict),
    *made(),
    Column("suspended_at", Moment),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("email", Line(254), nullable=False),
    Column("name", Line(200), nullable=False, default=""),
    Column("password_hash", Prose, nullable=False),
    Column("is_root", Boolean, nullable=False, default=False),
    *made(),
    Column("disabled_at", Moment),
    Column("sessions_from", Moment),
    UniqueConstraint("email"),
)

members = Table(
    "members",
    metadata,
    Column("org_id", Line(64), primary_key=True),
    Column("user_id", Id, primary_key=True),
    Column("role", Line(16), nullable=False),
    Column("limits", Json, nullable=False, default=dict),
    *made(),
    Index(None, "user_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("user_id", Id),
    Column("name", Line(200), nullable=False),
    Column("prefix", Line(32), nullable=False),
    Column("secret_hash", Line(64), nullable=False),
    Column("role", Line(16), nullable=False),
    Column("scopes", Json, nullable=False, default=list),
    *made(),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Column("revoked_at", Moment),
    Column("replaced_by", Id),
    UniqueConstraint("prefix"),
    Index(None, "org_id", "id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("user_id", Id),
    Column("email", Line(254), nullable=False),
    Column("role", Line(16), nullable=False),
    Column("secret_hash", Line(64), nullable=False),
    *made(),
    Column("expires_at", Moment, nullable=False),
    Column("accepted_at", Moment),
    Column("revoked_at", Moment),
    UniqueConstraint("secret_hash"),
    Index(None, "org_id", "id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("user_id", Id, nullable=False),
    Column("kind", Line(16), nullable=False),
    Column("family", Id, nullable=False),
    Column("secret_hash", Line(64), nullable=False),
    Column("address", Line(64), nullable=False, default=""),
    Column("agent", Line(255), nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("revoked_at", Moment),
    UniqueConstraint("secret_hash"),
    Index(None, "user_id"),
    Index(None, "family"),
    Index(None, "expires_at"),
)

idempotent_requests = Table(
    "idempotent_requests",
    metadata,
    Column("org_id", Line(64), primary_key=True),
    Column("actor", Line(255), primary_key=True),
    Column("key", Line(255), primary_key=True),
    Column("request_hash", Line(64), nullable=False),
    Column("claim", Id, nullable=False),
    Column("made", Json),
    Column("status", Integer),
    Column("headers", Json, nullable=False, default=dict),
    Column("body", Text),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index(None, "expires_at"),
    Index(None, "org_id", "created_at"),
)

scan_rules = Table(
    "scan_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("effect", Line(8), nullable=False),
    Column("what", Line(255), nullable=False),
    Column("reason", Prose, nullable=False, default=""),
    *made(),
    Column("expires_at", Moment),
    Index(None, "org_id", "id"),
)
